/// The pages of the built-in passes: the text of docs/passes.md, written with it by the test PassPageTests.
public enum PassCatalogue {
  /// The part about one pass, without its heading; nil for a pass that is not built in.
  public static func page(_ name: String) -> String? {
    guard let start = text.firstRange(of: "\n### \(name)\n\n")?.upperBound else { return nil }
    let rest = text[start...]
    let end = rest.firstRange(of: "\n\n##")?.lowerBound ?? rest.index(before: rest.endIndex)
    return String(rest[..<end])
  }

  static let text = #"""
    # Passes

    Every pass, by folder: what it does, the first of its cases before and after, and what it leaves alone, with the
    sentence that the report says then. Written by `CAMEO_WRITE=1 swift test --filter PassPageTests` from the passes and
    `Tests/PassesTests/Cases`; a test fails where this page is out of date. `cameo passes NAME` prints a pass's part of it,
    `cameo passes NAME --text` the rules of one that is written in the [rule language](rules.md).

    - **Attention**: [AbsorbCache](#absorbcache), [AbsorbScale](#absorbscale), [FuseAttention](#fuseattention), [FuseRotaryEmbedding](#fuserotaryembedding), [PackAttention](#packattention), [PackHeads](#packheads), [ReduceMask](#reducemask), [ShareKeyHeads](#sharekeyheads), [StateAttentionTypes](#stateattentiontypes)
    - **Canonical**: [ExpandMicrosoft](#expandmicrosoft), [FlattenConcats](#flattenconcats), [FoldComputedShapes](#foldcomputedshapes), [LiftSoftmax](#liftsoftmax), [LiftTransposes](#lifttransposes), [LowerEinsum](#lowereinsum), [MergeReshapes](#mergereshapes), [MergeTransposes](#mergetransposes), [ResolveCastLike](#resolvecastlike), [StandardizeQuantization](#standardizequantization)
    - **Cleanup**: [EliminateCommonSubexpressions](#eliminatecommonsubexpressions), [EliminateDeadNodes](#eliminatedeadnodes), [EliminateIdentity](#eliminateidentity), [ExpandOperators](#expandoperators), [FoldConstants](#foldconstants), [InlineConstantIf](#inlineconstantif), [InlineFunctions](#inlinefunctions), [LegalizeActivations](#legalizeactivations)
    - **ControlFlow**: [HoistInvariants](#hoistinvariants), [MergeEqualBranches](#mergeequalbranches), [UnrollLoops](#unrollloops)
    - **Fusion**: [FuseBlockMatMul](#fuseblockmatmul), [FuseConvScale](#fuseconvscale), [FuseElementwise](#fuseelementwise), [FuseEpilogue](#fuseepilogue), [FuseMatMulScale](#fusematmulscale), [FusePad](#fusepad), [FuseResidual](#fuseresidual), [FuseSoftmax](#fusesoftmax), [GatherQuantizedRows](#gatherquantizedrows), [JoinBlockMatMuls](#joinblockmatmuls)
    - **Integer**: [ExplainQuantization](#explainquantization), [UseDynamicProducts](#usedynamicproducts), [UseFloat8Products](#usefloat8products), [UseIntegerProducts](#useintegerproducts)
    - **Layout**: [UseChannelsLast](#usechannelslast)
    - **Microsoft**: [FuseDynamicQuantizeMatMul](#fusedynamicquantizematmul), [FuseEmbedLayerNormalization](#fuseembedlayernormalization), [FuseMatMulNBits](#fusematmulnbits), [FuseMicrosoftConv](#fusemicrosoftconv), [FuseMicrosoftGelu](#fusemicrosoftgelu), [FuseMicrosoftGemm](#fusemicrosoftgemm), [FuseMicrosoftMatMul](#fusemicrosoftmatmul), [FuseQuantizedOperators](#fusequantizedoperators), [FuseQuantizedProducts](#fusequantizedproducts), [FuseSkipNormalization](#fuseskipnormalization), [UseMultiHeadAttention](#usemultiheadattention), [UseUnsignedQuantization](#useunsignedquantization)
    - **Rules**: [CancelQuantization](#cancelquantization), [DropQuantizedClamp](#dropquantizedclamp), [DropReducedAxes](#dropreducedaxes), [FuseChannelNormalization](#fusechannelnormalization), [FuseElu](#fuseelu), [FuseGelu](#fusegelu), [FuseGemmTranspose](#fusegemmtranspose), [FuseGroupNormalization](#fusegroupnormalization), [FuseHardSigmoid](#fusehardsigmoid), [FuseHardSwish](#fusehardswish), [FuseInstanceNormalization](#fuseinstancenormalization), [FuseLayerNormalization](#fuselayernormalization), [FuseLeakyRelu](#fuseleakyrelu), [FuseLogSoftmax](#fuselogsoftmax), [FuseLpNormalization](#fuselpnormalization), [FuseMatMulBias](#fusematmulbias), [FuseMish](#fusemish), [FusePRelu](#fuseprelu), [FuseRMSNormalization](#fusermsnormalization), [FuseReduction](#fusereduction), [FuseRelu](#fuserelu), [FuseSigmoid](#fusesigmoid), [FuseSoftplus](#fusesoftplus), [FuseSoftsign](#fusesoftsign), [FuseSwiGLU](#fuseswiglu), [FuseSwish](#fuseswish), [FuseTanh](#fusetanh), [FuseThresholdedRelu](#fusethresholdedrelu), [MergeCasts](#mergecasts), [MergeClips](#mergeclips), [MergePads](#mergepads), [MergeScalars](#mergescalars), [MergeSlices](#mergeslices), [MoveQuantization](#movequantization), [SimplifyArithmetic](#simplifyarithmetic), [SimplifyLogic](#simplifylogic), [SimplifyPowers](#simplifypowers)
    - **Structure**: [CancelTransposes](#canceltransposes), [DropBroadcasts](#dropbroadcasts), [FoldTransposes](#foldtransposes), [FormSplits](#formsplits), [FuseDepthToSpace](#fusedepthtospace), [FuseSpaceToDepth](#fusespacetodepth), [LiftSplits](#liftsplits), [MergeProducts](#mergeproducts), [NarrowMovement](#narrowmovement)

    ## Attention

    ### AbsorbCache

    Gives Attention the cache that its keys and values are appended to. Level 2, stage: fusions.

    ```
    Before: k = Concat <axis = -2> (past_k, new_k)  v = Concat <axis = -2> (past_v, new_v)  y = Attention (q, k, v, mask)
    After:  y, k, v = Attention (q, new_k, new_v, mask, past_k, past_v)
    Before: k = Transpose (Concat <axis = 1> (past_k, new_k)) that nothing else reads
    After:  Transpose (past_k) and Transpose (new_k) are what Attention appends
    The first operand of each Concat is an input of the graph (or body), or only moved, picked or cast since then.
    Before: m depends on Shape (k). After: on the sum of the lengths in Shape (past_k) and Shape (new_k).

    q: float[2, 6, 3, 4], k: float[2, 2, 3, 4], v: float[2, 2, 3, 8], a: float[2, 2, 5, 4], c: float[2, 2, 5, 8]
    before                                   after
    d = Concat <axis = -2> (a, k)            y, d, e = Attention <scale = 0.5> (q, k, v, "", a, c)
    e = Concat <axis = 2> (c, v)
    y = Attention <scale = 0.5> (q, d, e)
    ```

    Left alone:

    - read by what the attention reads: "what Attention reads depends on its keys and values joined with the cache"
    - only the keys: "the keys are appended to a cache, the values are not"
    - only the values: "the values are appended to a cache, the keys are not"
    - the cache behind: "the cache stands behind the new keys, Attention puts it before them"
    - computed before the new keys: "what stands before the new keys is computed here, it is no cache"
    - three parts: "the keys are joined of more than two parts"
    - causal from the first key: "is_causal counts from the first key, with a cache of 5 keys from their end"
    - a window from the first key: "the left window counts from the first key, with a cache from its end"
    - lengths that need not agree: "past keys and past values are not known to be of one length"
    - keys that are values: "keys and values are one cache"
    - a cache that loses digits behind
    - keys handed on with size before length: "the cache of the keys is kept and handed on with its axes in the order batch, heads, size, length, Attention's is batch, heads, length, size"
    - values handed on with length before heads: "the cache of the values is kept and handed on with its axes in the order batch, length, heads, size, Attention's is batch, heads, length, size"
    - keys rotated behind the cache: "the keys are rotated once they are joined with the cache, Attention joins them as they are"
    - keys and values joined at once: "keys and values are joined with the cache as one tensor, Attention takes a cache of each"
    - the whole keys are the queries: "the cache is also input 0 of the attention"
    - lengths beside the cache: "nonpad_kv_seqlen cannot stand beside past_key and past_value"
    - a mask of a shape that the parts do not tell: "what Attention reads depends on the shape of its keys and values joined with the cache, which is not known from the parts"

    ### AbsorbScale

    Gives Attention the scale that its queries or keys were multiplied by. Level 2, stage: fusions.

    ```
    Before: y = Attention <scale = 1.0> (q4, k, v) with q4 = Transpose (Reshape (Mul (q, 0.125), [B, L, H, D]))
    After:  y = Attention <scale = 0.125> (q4, k, v) with q4 = Transpose (Reshape (q, [B, L, H, D]))
    Refused where the product of the scales is not positive.

    q: float[b, l, 24], k: float[b, 6, s, 4], v: float[b, 6, s, 8]
    before                                       after
    q0 = Mul (q, 0.5)                            q1 = Reshape (q, {0, 0, 6, 4})
    q1 = Reshape (q0, {0, 0, 6, 4})              q2 = Transpose <perm = [0, 2, 1, 3]> (q1)
    q2 = Transpose <perm = [0, 2, 1, 3]> (q1)    y = Attention <scale = 0.5> (q2, k, v)
    y = Attention <scale = 1.0> (q2, k, v)
    ```

    Left alone:

    - scaled keys that join a cache
    - scaled keys that are handed on
    - moved queries that are also read elsewhere
    - a cast to a narrower type between
    - a negative scale: "the scale is -0.5, Attention takes positive ones"

    ### FuseAttention

    Recognises softmax(QK)V as Attention. Level 2, stage: fusions.

    ```
    Before: `s = MatMul(q, kt)  z = Mul(s, 0.125)  b = Add(z, bias)  p = Softmax(b)  y = MatMul(p, v)`.
    After: `k = Transpose(kt)  y = Attention <scale = 0.125> (q, k, v, bias)`.

    Scales stand anywhere (on the product, on Q or K, as Mul or Div, computed ones too), masks are added or chosen by Where, c * tanh(s / c) is the soft cap, casts around the Softmax become its precision. Operands of rank 2, 3 and 5, K' as a
    product's left operand (Softmax over axis -2) and Gemm are brought to [batch, heads, length, size]; one head alone is
    [batch, length, size].

    q: float[1, 2, 3, 4], k: float[1, 2, 4, 5], v: float[1, 2, 5, 6]
    before                         after
    s = MatMul (q, k)              v3 = Transpose <perm = [0, 1, 3, 2]> (k)
    z = Mul (s, 0.5)               y = Attention <scale = 0.5> (q, v3, v)
    p = Softmax <axis = -1> (z)
    y = MatMul (p, v)
    ```

    Left alone:

    - a small fill beside an unknown bias: "masked scores are set to -10000 beside a bias: a row without allowed key would differ (--assume no-empty-rows says that there is none)"
    - a ReLU between: "Relu stands between QK and Softmax"
    - a ReLU behind: "Relu stands between Softmax and the product with V"
    - another axis: "Softmax runs over axis 2, not the last"
    - the axis of the heads: "Softmax runs over axis 1, not the last"
    - NaN becomes another number: "a Where puts something else than 0 in the place of NaN behind the Softmax"
    - a sum over the queries: "the product behind the Softmax sums over the queries, not over the keys"
    - a fill that scores reach: "masked scores are set to 2, which scores may reach"
    - a computed fill: "a Where mixes the scores with a computed value"
    - a factor of each key: "Mul by a tensor that differs between keys stands between QK and Softmax"
    - probabilities read elsewhere: "the value p inside the attention is also read elsewhere"
    - probabilities are an output: "the value p inside the attention is an output of the graph"
    - scores read elsewhere: "the value s inside the attention is also read elsewhere"
    - a bias that widens the scores: "a mask or bias broadcasts the scores' leading axes [1, 2] and [4, 2]"
    - a soft cap behind the mask: "a bias or mask is applied before the soft cap"
    - a mask in front of a computed scale: "a bias or mask is applied before a computed scale"
    - a negative scale: "the scale is -1.0, Attention takes positive ones"
    - scores narrowed: "the scores are cast from float to float16 before the Softmax"
    - heads in another order: "the heads of K repeat in an order that Attention does not have"
    - opset too low: "Attention needs opset 23, the output is limited to 22"
    - one mask chosen and one added: "masked scores are set to -10000 beside a bias: a row without allowed key would differ (--assume no-empty-rows says that there is none)"
    - scores and probabilities handed on: "the value p inside the attention is an output of the graph"
    - scores handed on in front of their scale: "the scores are handed on in front of a scale, qk_matmul_output is behind it"
    - scores handed on in front of a learned scale: "the scores are handed on in front of a computed scale"
    - scores handed on in front of the soft cap: "the scores are handed on in front of the soft cap"
    - scores handed on between two masks: "the scores are handed on between two masks"
    - masked scores handed on: "the scores are handed on with a number in the place of masked ones"
    - integers: "Q is int32, not of a floating-point type"
    - two half precisions: "Q is bfloat16, V is float16"
    - one key head and several value heads: "K has 1 heads, V has 2"
    - one query head and several key heads: "Q is broadcast along the heads, Attention does not broadcast it"
    - a learned scale of each head of flattened ones: "a computed scale stands where the scores have other leading axes than Q"
    - a bias of more rows: "the bias has more rows than the scores"
    - a bound of scores turned round: "a lower bound of the scores is scaled by -1.0"
    - masked scores that are no number: "masked scores are set to NaN"
    - a bias of doubles: "the bias is double, the product of Q and K float"
    - two soft caps: "the scores pass two Tanh"
    - a computed soft cap: "the soft cap is a computed number"
    - a negative soft cap: "the soft cap is -1.0"
    - queries and keys moved: "Reshape moves the scores' queries and keys between QK and Softmax"
    - a product with V that scales: "the product with V is a Gemm that scales or adds"
    - probabilities of an open number of keys read elsewhere: "the number of keys is open, and other runtimes take it for 0 in the scores that Attention hands on"
    - probabilities handed on as doubles: "w is handed on as double, Attention's scores are float"
    - the product with V in another body: "the Softmax and its products stand in different bodies"
    - values of one item among regrouped ones: "V is broadcast along a part of the batch [2, 3, 2]"
    - negated queries of which nothing is known: "the shape of an operand is not known"

    ### FuseRotaryEmbedding

    Recognises rotary position embeddings as RotaryEmbedding. Level 2, stage: fusions.

    ```
    Before: x1, x2 = Split <axis = -1, num_outputs = 2> (x)  r = Concat <axis = -1> (Neg (x2), x1)
            y = Add (Mul (x, cos), Mul (r, sin))   with cos = Cos (Concat <axis = -1> (f, f)), sin alike
    After:  y = RotaryEmbedding (x, Cos (f), Sin (f))
    Also interleaved pairs, Concat (x1 * c - x2 * s, x2 * c + x1 * s), and rotations of the first part of the axis only.

    x: float[2, 3, 5, 8], f: float[2, 5, 4]
    before                             after
    t = Concat <axis = -1> (f, f)      c = Cos (f)
    c0 = Cos (t)                       s = Sin (f)
    s0 = Sin (t)                       y = RotaryEmbedding (x, c, s)
    c = Unsqueeze (c0, {1})
    s = Unsqueeze (s0, {1})
    x1 = Slice (x, {0}, {4}, {3})
    x2 = Slice (x, {4}, {8}, {3})
    n2 = Neg (x2)
    r = Concat <axis = -1> (n2, x1)
    a = Mul (x, c)
    b = Mul (r, s)
    y = Add (a, b)
    ```

    Left alone:

    - angles that need not be equal: "elements 0 and 4 of the cosine c are not known to be equal"
    - a reflection: "elements 0 and 4 of x both add the other times the sine: the signs are those of a reflection, not of a rotation"
    - double precision: "RotaryEmbedding is not for double"
    - an older opset: "RotaryEmbedding needs opset 23, the output is limited to 22"
    - angles for each head: "the angles differ along the axes [0, 1, 2] of [2, 3, 5, 8], RotaryEmbedding's along batch and length"
    - another half's cosine: "elements 0 and 4 of the cosine c are not known to be equal"
    - a sum of two products
    - a product read elsewhere: "a part of the rotation, u, is also read elsewhere"
    - parts that are no halves: "element 0 of x turns with element 2, half of 8 elements away is element 4 and beside it 1"
    - halves in their own order: "element 0 of x turns with itself: the halves are not exchanged in what the sine multiplies"
    - the halves of another value: "the elements that the cosine multiplies are those of x, the exchanged halves those of z"
    - halves of the length: "the halves of x are exchanged along axis 2 of [2, 3, 4, 8], RotaryEmbedding turns pairs of the last axis"
    - angles of neighbours: "the cosine c is made for pairs of neighbours, the elements that turn together are paired as halves"
    - one vector: "the rotated value is one vector, it has no axis of positions"
    - heads before and behind the length: "heads lie before and behind the length, axis 2 of [2, 3, 5, 2, 8]"
    - three open axes: "more than one of the dimensions [2, A, B, L, 8] between batch and size is open"
    - an open number of heads on two axes: "the number of heads in [N, L, 2, H, 8] is open"
    - three elements in a ring: "3 elements of x turn, pairs need an even number"
    - a rest that is changed: "element 4 of the result is neither turned like the 4 before it nor element 4 of x as it is"
    - pairs that turn both ways: "the pairs do not all turn the same way: the signs of element 1 differ from those of element 0"
    - angles of the first of an open number of heads: "the heads' axis of the cosine c may be empty"

    ### PackAttention

    Hands Attention the product that its operands are parts of (only with --enable). Level 4, stage: machine.

    ```
    Before: q, k, v = Split <axis = 2> (x)  y = Attention (RotaryEmbedding (q, c, s), RotaryEmbedding (k, c, s), v, mask)
    After:  y = ai.cameo.PackedAttention (x, mask, "", "", "", c, s)
    Where q and k are both rotated, and alike, or neither is.

    x: float[b, l, 24]
    before
      q, k, v = Split <axis = 2, num_outputs = 3> (x)
      y = Attention <kv_num_heads = 2, q_num_heads = 2> (q, k, v)
    after
      y = ai.cameo.PackedAttention <kv_num_heads = 2, q_num_heads = 2> (x)
    ```

    Left alone:

    - only the keys rotated: "queries and keys are rotated differently"
    - values read elsewhere: "the values are also read elsewhere"
    - values of another size: "the heads of queries, keys and values differ in size"
    - scores that are asked for: "the scores are asked for"
    - keys worked on first: "the parts are not what Attention reads, nor their rotations"
    - queries read elsewhere: "a part is not read by Attention alone"
    - rotated in other heads: "the rotation has another number of heads"

    ### PackHeads

    Hands Attention its heads packed in the last axis, without Reshape and Transpose. Level 2, stage: layout.

    ```
    Before: q4 = Transpose <perm = [0, 2, 1, 3]> (Reshape (q, [B, L, H, D])), k4 and v4 alike
            y = Reshape (Transpose <perm = [0, 2, 1, 3]> (Attention (q4, k4, v4)), [B, L, H * D])
    After:  y = Attention <q_num_heads = H, kv_num_heads = H> (q, k, v)
    Where q4, k4 and v4 are parts of one value: q, k, v = Split <axis = 2> (x)

    q: float[2, 3, 24], k: float[2, 5, 24], v: float[2, 5, 48]
    before
      q1 = Reshape (q, {2, 3, 6, 4})
      q2 = Transpose <perm = [0, 2, 1, 3]> (q1)
      k1 = Reshape (k, {2, 5, 6, 4})
      k2 = Transpose <perm = [0, 2, 1, 3]> (k1)
      v1 = Reshape (v, {2, 5, 6, 8})
      v2 = Transpose <perm = [0, 2, 1, 3]> (v1)
      x = Attention <scale = 0.5> (q2, k2, v2)
      x1 = Transpose <perm = [0, 2, 1, 3]> (x)
      y = Reshape (x1, {2, 3, 48})
    after
      y = Attention <kv_num_heads = 6, q_num_heads = 6, scale = 0.5> (q, k, v)
    ```

    Left alone:

    - keys with their heads in front: "the keys do not come with their heads behind the length, and Q, K and V have to be of one rank"
    - heads read elsewhere: "the heads of k2 are also read one by one"
    - result stays in heads: "the heads of the result are read one by one"
    - result moved otherwise: "the heads of the result are not moved behind its length"
    - parts of each head side by side
    - only the queries moved: "the keys do not come with their heads behind the length, and Q, K and V have to be of one rank"
    - heads only
    - heads handed on: "the heads of k2 are an output of the graph"

    ### ReduceMask

    Says masks of Attention as is_causal, windows, lengths or bool tensors. Level 2, stage: fusions.

    ```
    q: float[2, 2, 3, 4], k: float[2, 2, 3, 4], v: float[2, 2, 3, 4]
    before                                                after
    y = Attention <scale = 0.5> (q, k, v, float[3, 3])    y = Attention <is_causal = 1, scale = 0.5> (q, k, v)
    ```

    Left alone:

    - a mask that is an input
    - a triangle that ends at the last key: "the causal triangle is shifted by 1, is_causal counts from the cache's 0 keys"
    - a triangle without its diagonal: "the causal triangle is shifted by -1, is_causal counts from the cache's 0 keys"
    - a triangle with a hole: "the mask is the same in every run, but no causal triangle or window"
    - a window before opset 25: "the mask is no causal triangle but a window of 1 keys, which Attention knows from opset 25 on"
    - a triangle and padding of finite numbers: "where the bias beside the triangle forbids all keys up to a query's own, the mean would be of fewer values (--assume no-empty-rows says that this does not occur)"
    - a triangle and padding of one row for ONNX Runtime: "without the triangle the mask would have one row, which ONNX Runtime does not take"
    - rows that may be empty
    - keys behind a length
    - lengths beside is_causal
    - lengths beside a cache
    - lengths that may leave no key
    - lengths of an older opset: "the mask is of lengths, which Attention knows as nonpad_kv_seqlen from opset 24 on"
    - a triangle and a mask of one key: "what the causal triangle is joined with does not have 5 keys"
    - a triangle of finite numbers and padding of infinity: "where the bias beside the triangle forbids all keys up to a query's own, the mean would be of fewer values (--assume no-empty-rows says that this does not occur)"
    - scores with their mask handed on

    ### ShareKeyHeads

    Lets Attention read keys and values that are repeated for groups of heads once. Level 2, stage: fusions.

    ```
    Before: y = Attention (q, k4, v4) with k4 = Reshape (Expand (Unsqueeze (k, 2), [B, KV, G, S, D]), [B, KV * G, S, D])
    After:  y = Attention (q, k, v)
    Refused where keys and values are repeated differently, or where query head h reads key head h % KV.

    q: float[2, 6, 3, 4], k: float[2, 2, 5, 4], v: float[2, 2, 5, 8]
    before                               after
    k1 = Unsqueeze (k, {2})              y = Attention (q, k, v)
    k2 = Expand (k1, {2, 2, 3, 5, 4})
    k3 = Reshape (k2, {2, 6, 5, 4})
    v1 = Unsqueeze (v, {2})
    v2 = Expand (v1, {2, 2, 3, 5, 8})
    v3 = Reshape (v2, {2, 6, 5, 8})
    y = Attention (q, k3, v3)
    ```

    Left alone:

    - heads tiled as a whole: "query head h reads key head h % 2, Attention's is h / 3"
    - heads expanded as a whole: "query head h reads key head h % 2, Attention's is h / 3"
    - heads gathered in another order: "key heads are picked in the order [0, 1, 1, 0, 0, 1]"
    - only the keys: "the heads of the keys are repeated, those of the values are not"
    - repeated differently: "2 key heads are repeated 3 times, 3 value heads 2 times"
    - a cache of repeated heads: "the cache holds all 6 repeated heads"
    - repeated heads handed on: "the repeated heads are handed on as present_key"
    - nothing repeated
    - heads tiled as a whole in front of casts: "query head h reads key head h % 2, Attention's is h / 3"

    ### StateAttentionTypes

    States the types around Attention that other runtimes do not find themselves. Level 2, stage: legalization.

    ```
    Before: y = Attention <q_num_heads = H, kv_num_heads = H> (q, k, v)
    After:  the same, with value_info for q, k, v and y where they had none
    Runtimes get it; where the model runs here, types are inferred.

    q: float[b, l, 8], k: float[b, s, 8]
    before
      q1 = Neg (q)
      k1 = Neg (k)
      y = Attention <kv_num_heads = 2, q_num_heads = 2> (q1, k1, k)
    after
      q1 = Neg (q)
      k1 = Neg (k)
      y = Attention <kv_num_heads = 2, q_num_heads = 2> (q1, k1, k)
    ```

    Left alone:

    - heads in an axis of their own
    - a run

    ## Canonical

    ### ExpandMicrosoft

    Writes operators of com.microsoft in the standard's. Level 2, stage: fusions.

    ```
    x: float[2, 3], b: float[3]
    before                               after
    y = com.microsoft.BiasGelu (x, b)    s = Add (x, b)
                                         y = Gelu (s)
    ```

    Left alone:

    - SimplifiedLayerNormalization where RMSNormalization is too new: "RMSNormalization needs opset 23, the output is limited to 20"

    ### FlattenConcats

    Merges nested Concat, Max and Min, and undoes Split by Concat. Level 1, stage: clean-up, before and after the fusions.

    ```
    a: float[2], b: float[2], c: float[2]
    before                          after
    i = Concat <axis = 0> (b, c)    y = Concat <axis = 0> (a, b, c)
    y = Concat <axis = 0> (a, i)
    ```

    Left alone:

    - another axis
    - Split swapped
    - Split along another axis: "the parts are put together along another axis"
    - parts of an unknown rank: "the rank is not known"

    ### FoldComputedShapes

    Replaces computed shapes, bounds and axes by constants where they are known. Level 1, stage: clean-up, before and after the fusions.

    ```
    x: float[2, 1], z: float[2, 3]
    before               after
    s = Shape (z)        y = Expand (x, {2, 3})
    y = Expand (x, s)
    ```

    Left alone:

    - an open dimension

    ### LiftSoftmax

    Applies Softmax to the tensor itself instead of its two-dimensional form. Level 1, stage: clean-up, before and after the fusions.

    ```
    x: float[2, 3, 4]
    before                         after
    f = Flatten <axis = 2> (x)     y = Softmax <axis = -1> (x)
    p = Softmax <axis = -1> (f)
    y = Reshape (p, {2, 3, 4})
    ```

    Left alone:

    - over two axes

    ### LiftTransposes

    Transposes the last two axes in place instead of over flattened leading ones. Level 1, stage: clean-up, before and after the fusions.

    ```
    x: float[B, 2, 3, 4]
    before                                  after
    u = Reshape (x, {-1, 3, 4})             y = Transpose <perm = [0, 1, 3, 2]> (x)
    t = Transpose <perm = [0, 2, 1]> (u)
    y = Reshape (t, {-1, 2, 4, 3})
    ```

    Left alone:

    - matrices of another shape

    ### LowerEinsum

    Writes an Einsum that is a matrix product as Transpose and MatMul. Level 2, stage: clean-up, before and after the fusions.

    ```
    a: float[2, 3, 4, 5], b: float[2, 3, 6, 5]
    before                                              after
    y = Einsum <equation = "bhld,bhsd->bhls"> (a, b)    v2 = Transpose <perm = [0, 1, 3, 2]> (b)
                                                        y = MatMul (a, v2)
    ```

    Left alone:

    - an outer product: "the equation i,j->ij is no matrix product of two operands"
    - a diagonal: "the equation bii,bij->bij is no matrix product of two operands"
    - a letter summed in one operand: "the equation bij,bkl->bik is no matrix product of two operands"
    - a length of one: "the equation bij,bjk->bik broadcasts an axis of length 1"
    - lengths to join: "the equation abcd,abef->cdef joins axes of unknown length"

    ### MergeReshapes

    Merges chains of reshapes and folds their computed shapes. Level 1, stage: clean-up, before and after the fusions.

    ```
    x: float[2, 3, 4]
    before                         after
    u = Reshape (x, {6, 4})        y = Reshape (x, {8, 3})
    v = Reshape (u, {2, 12, 1})
    w = Squeeze (v, {2})
    y = Reshape (w, {8, 3})
    ```

    Left alone:

    - one alone

    ### MergeTransposes

    Composes Transposes that follow each other. Level 1, stage: clean-up, before and after the fusions.

    ```
    x: float[2, 3]
    before               after
    a = Transpose (x)    y = Neg (x)
    b = Transpose (a)
    y = Neg (b)
    ```

    Left alone:

    - one alone

    ### ResolveCastLike

    Turns CastLike of a known type into Cast. Level 1, stage: clean-up, before and after the fusions.

    ```
    x: float16[2], t: float[3]
    before                 after
    y = CastLike (x, t)    y = Cast <to = 1> (x)
    ```

    Left alone:

    - nothing to resolve

    ### StandardizeQuantization

    Turns com.microsoft's QuantizeLinear and DequantizeLinear into the standard's. Level 1, stage: clean-up, before and after the fusions.

    ```
    x: float[2, 3]
    before                                               after
    y = com.microsoft.QuantizeLinear (x, 0.01, 32768)    y = QuantizeLinear (x, 0.01, 32768)
    ```

    Left alone:

    - 16 bits before opset 21: "QuantizeLinear of int16 needs opset 21, the output is limited to 19"
    - along an axis before opset 13: "DequantizeLinear of int8 needs opset 13, the output is limited to 12"
    - unknown scale: "the shape of the scale is not known"
    - a scale for each index of no axis: "a scale of shape [3] is neither one number nor one for each index of an axis"
    - integers of an unknown type: "the types are not known"

    ## Cleanup

    ### EliminateCommonSubexpressions

    Merges nodes that compute the same value. Level 1, stage: clean-up, before and after the fusions.

    ```
    x: float[2, 3]
    before            after
    p = Mul (x, 2)    p = Mul (x, 2)
    q = Mul (x, 2)    y = Add (p, p)
    y = Add (p, q)
    ```

    Left alone:

    - random
    - another attribute
    - weights that differ in one number

    ### EliminateDeadNodes

    Removes nodes that no output depends on. Level 1, stage: clean-up, before and after the fusions.

    ```
    x: float[2, 3]
    before          after
    a = Neg (x)     y = Relu (x)
    b = Abs (a)
    y = Relu (x)
    ```

    Left alone:

    - alive

    ### EliminateIdentity

    Bypasses nodes that hand their input through. Level 1, stage: clean-up, before and after the fusions.

    ```
    x: float[2, 3]
    before              after
    a = Identity (x)    y = Neg (x)
    y = Neg (a)
    ```

    Left alone:

    - Dropout in training
    - an output of an input
    - times 1 that widens
    - Cast to another
    - plus 1
    - a reversing Slice

    ### ExpandOperators

    Replaces operators by their function bodies (only with --enable). Level 4, stage: only with --enable.

    ```
    x: float[3]
    before              after
    y = Softsign (x)    a = Abs (x)
                        b = Add (a, 1)
                        y = Div (x, b)
    ```

    Left alone:

    - a call without body: "nonpad_kv_seqlen has no function body"
    - nothing to expand

    ### FoldConstants

    Computes nodes that have only constant inputs, and shape arithmetic of known dimensions. Level 1, stage: clean-up, before and after the fusions.

    ```
    x: float[2, 3]
    before                            after
    c = Add ({1, 2, 3}, {1, 1, 1})    y = Mul (x, {2, 3, 4})
    y = Mul (x, c)
    ```

    Left alone:

    - an output stays
    - it would grow the file
    - a large fill that is no weight
    - small weights beside quantized data

    ### InlineConstantIf

    Replaces an If of known condition by its branch. Level 1, stage: clean-up, before and after the fusions.

    ```
    x: float[2]
    before        after
    y = If (1)    y = Neg (x)
    ```

    Left alone:

    - open

    ### InlineFunctions

    Replaces calls of model-local functions by their bodies. Level 1, stage: clean-up, before and after the fusions.

    ```
    x: float[2, 3]
    before                 after
    a = local.Twice (x)    n = Neg (x)
    y = local.Twice (a)    a = Sub (x, n)
                           m = Neg (a)
                           y = Sub (a, m)
    ```

    Left alone:

    - control flow: "the body of local.Pick has control flow or takes a graph as attribute"

    ### LegalizeActivations

    Takes apart activations that known runtimes lack. Level 2, stage: legalization.

    ```
    x: float[2, 3]
    before           after
    y = Swish (x)    s = Sigmoid (x)
                     y = Mul (x, s)
    ```

    Left alone:

    - HardSwish and Mish of the source
    - preferred
    - for a run
    - an unknown type: "the element type is not known"

    ## ControlFlow

    ### HoistInvariants

    Moves what is the same in every run of a Loop or Scan in front of it. Level 1, stage: clean-up, before and after the fusions.

    ```
    x: float[2], a: float[2], m: int64
    before                 after
    y = Loop (m, "", x)    e = Exp (a)
                           f = Mul (e, {1, 2})
                           y = Loop (m, "", x)
    ```

    Left alone:

    - what can fail and may not run: "the body may never run, and Gather can fail"
    - what changes
    - what has no known shape: "the shape of what would move is not known"

    ### MergeEqualBranches

    Replaces an If of equal branches by one of them. Level 1, stage: clean-up, before and after the fusions.

    ```
    x: float[2], c: bool
    before        after
    y = If (c)    v = Mul (x, 2)
                  y = Neg (v)
    ```

    Left alone:

    - another constant
    - random branches: "the branches draw random numbers"
    - a constant that is handed out: "the branches hand on a value from outside as an output of the graph"

    ### UnrollLoops

    Writes out a Loop or Scan of few and known runs. Level 1, stage: clean-up, before and after the fusions.

    ```
    x: float[2], a: float[2]
    before                after
    y = Loop (3, 1, x)    u = Mul (x, a)
                          v = Mul (u, a)
                          y = Mul (v, a)
    ```

    Left alone:

    - many runs: "the body runs 9 times, 8 are written out at most"
    - a computed number of runs: "the number of runs is not known"
    - a condition: "the condition is computed in each run"
    - a body with an If: "the body holds a If of its own"
    - a Scan of open length: "the number of rows is not known"
    - a body that draws numbers: "the body draws random numbers"
    - many nodes: "8 runs take 264 nodes, 256 are written out at most"
    - a Loop that may not start: "whether the Loop starts is computed"
    - no rows of open length: "the shape of a stacked output without rows is not known"
    - a Scan without rows: "the Scan has no rows"

    ## Fusion

    ### FuseBlockMatMul

    Keeps the quantized weights of products as they are, for a run. Level 3, stage: machine.

    ```
    x: float[1, 2, 16]
    before
      d = DequantizeLinear <axis = 0, block_size = 16> (int4[16, 2], {0.5, 0.25})
      y = MatMul (x, d)
    after
      y = ai.cameo.BlockMatMul <axis = 0, block_size = 16> (x, int4[16, 2], {0.5, 0.25})
    ```

    Left alone:

    - short blocks: "blocks of 2; multiples of 16 are needed"
    - scales along the sum: "each number of a column has a scale of its own"
    - blocks across the columns: "the blocks lie across the columns of the product"
    - groups that a row does not begin with: "the groups of [2, 3] along axis 0 are no blocks of [3, 2]"
    - a scaled Gemm: "x is transposed or scaled"
    - half floats: "products with such weights are of float, this is float16"
    - computed scales: "the scales are computed"
    - a product of integers
    - for ONNX Runtime
    - integers of 16 bits: "weights of int16 have no product of their own"
    - computed zero points: "the zero points are computed"
    - a matrix for each item of the batch: "the weights have 3 axes"
    - a scale too many: "the scales have shape [3]"
    - a matrix that is added: "C is no row of the result's width"
    - weights of a sum: "Add reads these weights as float; a session widens them to 0 MiB"
    - a code book with a scale for each code: "the scales [4, 2] of codes [4, 2] are no blocks of one axis"

    ### FuseConvScale

    Folds BatchNormalization and per-channel scales and offsets into convolutions. Level 2, stage: fusions.

    ```
    x: float[1, 2, 3, 3]
    before                                                                        after
    c = Conv (x, {1, 2, 3, 4})                                                    y = Conv (x, {1, 2, 3, 4})
    y = BatchNormalization <epsilon = 0.0> (c, {2, 3}, {1, 2}, {1, 2}, {4, 9})
    ```

    Left alone:

    - BatchNormalization in front of padding: "the Conv pads with zeros (pads [1, 1, 1, 1]), which the BatchNormalization in front would have shifted"
    - read elsewhere: "the output of the Conv is also read elsewhere"
    - along the width: "Mul varies along axis 3, the channels of the product are axis 1"
    - training: "BatchNormalization is in training mode"
    - computed weights: "the weights are not constant"
    - ConvTranspose behind a shift: "the ConvTranspose spreads the shift of the Add in front unevenly"
    - a shift in front of automatic padding: "the Conv pads with zeros (auto_pad SAME_UPPER), which the Add in front would have shifted"
    - a shift that widens: "the 2 numbers of Add are not one for each index of an axis of [1, 1, 3, 3]"
    - along two axes: "the constant of shape [2, 1, 2] is not one number for each channel: it varies along further axes, or widens"
    - over the range of half precision: "a weight would be 200000.0, more than float16 holds"
    - not finite: "a scale or offset of Div is not finite"
    - a computed BatchNormalization: "the parameters of BatchNormalization are not constant"
    - a factor in front that is read elsewhere: "the output of Mul is also read elsewhere"
    - weights of two axes: "the weights have rank 2"
    - groups that do not fit: "the weights float[2, 2, 1, 1] do not fit 3 groups"
    - a bias that does not fit: "the bias has not one number a channel"

    ### FuseElementwise

    Joins chains of element-wise nodes into one node. Level 2, stage: programs.

    ```
    x: float[2, 3, 8], b: float[8]
    before              after
    a = Mul (x, 0.5)    y = ai.cameo.FusedElementwise (x, b)
    c = Add (a, b)
    d = Tanh (c)
    y = Mul (d, x)
    ```

    Left alone:

    - one node
    - an output in between: "its result is also read outside the chain, which would compute it twice"
    - read by something else: "its result is also read outside the chain, which would compute it twice"
    - a smaller operand: "its shape [n, 1] is not the chain's, [n, 9]"
    - a few numbers
    - double: "no element-wise program has Cast of double to float"
    - computed bounds: "its bounds are computed"
    - shape arithmetic: "it follows from shapes and constants alone: a session computes it once"
    - a reduction of another axis
    - a reduction in the middle
    - quantized along an axis: "its scale or zero point is not one constant number"
    - a dequantization of an open length: "its shape is not the chain's"
    - an operand of an unknown rank: "its rank is not known"
    - many operands: "the chain would have 2 nodes and 17 operands"

    ### FuseEpilogue

    Puts bias, residual and activation into Conv and MatMul. Level 3, stage: machine.

    ```
    x: float[1, 2, 3, 3]
    before                        after
    c = Conv (x, {1, 2, 3, 4})    y = ai.cameo.FusedConv <activation = "Relu"> (x, {1, 2, 3, 4})
    y = Relu (c)
    ```

    Left alone:

    - Gemm with a scale
    - read elsewhere

    ### FuseMatMulScale

    Folds BatchNormalization and scales into the weights of MatMul and Gemm. Level 2, stage: fusions.

    ```
    x: float[4, 3]
    before                                after
    m = MatMul (x, {1, 2, 3, 4, 5, 6})    y = MatMul (x, {2, 6, 6, 12, 10, 18})
    y = Mul ({2, 3}, m)
    ```

    Left alone:

    - a summand in front of no bias
    - the channels are cut up: "Reshape cuts up the channels between the product and Mul"
    - rows: "Mul varies along axis 0, the channels of the product are axis 1"
    - shared weights: "the weights are read elsewhere"
    - integers: "the weights are int32"
    - no columns: "the weights have 0 elements"
    - weights of three axes: "the weights are no matrix"
    - data of one axis: "the rank of the product is not known"
    - a bias for each row: "the bias of shape [4, 1] is not one number for each column"
    - factors in front that are cut up: "Reshape cuts up the channels between Mul and the product"
    - factors of rows in front: "Mul varies along axis 0 of what the product reads, the channels are axis 1"

    ### FusePad

    Moves a constant Pad into the Conv or pool behind it. Level 2, stage: fusions.

    ```
    x: float[1, 2, 5, 5]
    before                                   after
    a = Pad (x, {0, 0, 1, 2, 0, 0, 1, 2})    y = Conv <pads = [1, 2, 1, 2]> (x, float[2, 2, 3, 3])
    y = Conv (a, float[2, 2, 3, 3])
    ```

    Left alone:

    - reflect: "the Pad's mode is reflect"
    - crops: "the Pad crops"
    - widens channels: "the Pad widens batch or channels"
    - pads with ones: "the Pad's value is not 0"
    - MaxPool of zeros: "MaxPool needs a pad of -inf, this one is not"
    - auto_pad: "auto_pad would count the padding twice"
    - AveragePool that leaves out its own: "AveragePool leaves its own padding out of the mean, the Pad's counts"
    - ceil_mode: "ceil_mode with padding counts other cells"
    - padding as large as the kernel: "a pool's padding must be smaller than its kernel"
    - computed amounts: "the Pad's amounts are computed"
    - data of an unknown rank: "the rank is not known"

    ### FuseResidual

    Puts the sum with another value into MatMul (only with --enable). Level 4, stage: machine.

    ```
    Before: s = ai.cameo.FusedMatMul (x, W, b)  y = Add (s, z)
    After:  y = ai.cameo.FusedMatMul (x, W, b, z)
    Where W is a constant matrix, z has the result's shape, and nothing else reads s.

    x: float[b, 2, 3], z: float[b, 2, 2]
    before                                after
    m = MatMul (x, {1, 2, 3, 4, 5, 6})    y = ai.cameo.FusedMatMul (x, {1, 2, 3, 4, 5, 6}, "", z)
    y = Add (z, m)
    ```

    Left alone:

    - an activation in between
    - a product that others read
    - weights that are computed: "its right operand is no constant matrix"
    - a residual already: "it has a residual already"
    - a row: "what is added has another shape or type"

    ### FuseSoftmax

    Recognises Softmax written out as exponentials over their sum. Level 2, stage: fusions.

    ```
    x: float[2, 3]
    before                     after
    m = ReduceMax (x, {-1})    y = Softmax <axis = -1> (x)
    d = Sub (x, m)
    e = Exp (d)
    s = ReduceSum (e, {-1})
    y = Div (e, s)
    ```

    Left alone:

    - two axes: "ReduceSum of the exponentials does not run over one known axis"
    - no axis: "ReduceSum of the exponentials drops its axis"
    - a number in the sum: "something is added to the sum of the exponentials"
    - exponentials read elsewhere: "the value e inside the softmax is also read elsewhere"
    - the sum is an output: "the value s inside the softmax is an output of the graph"
    - another sum

    ### GatherQuantizedRows

    Gathers rows of quantized tables before it dequantizes them. Level 3, stage: machine.

    ```
    rows: int64[1, 3]
    before
      i = Clip (rows, 0, 2)
      d = DequantizeLinear <axis = 1, block_size = 16> (int4[3, 32], {0.5, 0.25, 1, 2, 3, 4}, {1, 2, 3, -1, -2, -3})
      y = Gather (d, i)
    after
      i = Clip (rows, 0, 2)
      y = com.microsoft.GatherBlockQuantized <bits = 4, block_size = 16, gather_axis = 0, quantize_axis = 1> (int4[3, 32], i, {0.5, 0.25, 1, 2, 3, 4}, {1, 2, 3, -1, -2, -3})
    ```

    Left alone:

    - short blocks of 4 bits: "Gather takes no int4, and GatherBlockQuantized needs blocks of a row"
    - columns of the table: "the table is not gathered by rows"
    - blocks across rows: "the blocks go across rows"
    - computed scales: "the scales or zero points are computed"

    ### JoinBlockMatMuls

    Computes products of one value with several quantized weights in one step. Level 3, stage: machine.

    ```
    x: float[2, 4]
    before
      y = ai.cameo.BlockMatMul <axis = 1> (x, {1, -2, 3, 4, 5, 6, 7, -8}, {0.5, 2})
      z = ai.cameo.BlockMatMul <axis = 1> (x, {3, -1, 2, 5}, {0.25})
    after
      y, z = ai.cameo.BlockMatMuls <axis = 1> (x, {1, -2, 3, 4, 5, 6, 7, -8}, {0.5, 2}, {3, -1, 2, 5}, {0.25})
    ```

    Left alone:

    - of different forms: "the products of this value have weights of different forms"
    - a bias that is computed: "the weights or the bias are computed"
    - code books: "a code book goes with one product"
    - an order of rows: "rows are in an order of their own (g_idx)"
    - a block that is not whole: "4 bits, rows of 20 in blocks of 16"
    - zero points that are floats: "zero points of float[1]"

    ## Integer

    ### ExplainQuantization

    Names what keeps quantized numbers from being used as integers. Level 3, stage: programs.

    Left alone:

    - a normalization reads them: "LayerNormalization reads these numbers as floats"
    - a normalization makes them: "LayerNormalization gives floats, which are quantized in a step of their own"
    - the model's own floats

    ### UseDynamicProducts

    Scales the sums of integer products where they are made. Level 3, stage: integers.

    ```
    x: float[2, 3]
    before
      q, s, z = DynamicQuantizeLinear (x)
      m = MatMulInteger (q, {1, 2, 3, 4, 5, 6}, z)
      f = Cast <to = 1> (m)
      k = Mul (s, {0.25, 0.5})
      a = Mul (f, k)
      c = Add (a, {1, -2})
      y = Relu (c)
    after
      q, s, z = DynamicQuantizeLinear (x)
      y = ai.cameo.IntegerMatMul <activation = "Relu"> (q, s, z, {1, 2, 3, 4, 5, 6}, {0.25, 0.5}, "", {1, -2})
    ```

    Left alone:

    - sums that are read as they are: "its sums are read as integers"
    - sums that are not scaled: "its sums are not scaled"
    - a scale for each row: "its sums are scaled by a computed tensor"
    - a zero point for each row: "its data has a zero point for each row"
    - computed weights: "its weights are computed"
    - stacked weights: "its weights have the shape [2, 3, 2]"

    ### UseFloat8Products

    Multiplies 8-bit floats as such (only with --enable). Level 4, stage: integers.

    ```
    Before: d = DequantizeLinear (x, s)  e = DequantizeLinear (W, w)  y = ai.cameo.FusedMatMul (d, e, b)
    After:  y = ai.cameo.Float8MatMul (x, s, W, w, b)
    Where x and W are float8e4m3fn or float8e5m2, s is one number and w one, or one a column of the result. An Add of a value of the
    result's shape goes into it.

    x: float8e4m3fn[2, 3]
    before
      d = DequantizeLinear (x, 0.5)
      e = DequantizeLinear ({56, 64, 72, 48, 184, 60}, 0.25)
      y = MatMul (d, e)
    after
      y = ai.cameo.Float8MatMul (x, 0.5, {56, 64, 72, 48, 184, 60}, 0.25)
    ```

    Left alone:

    - float data: "its left operand is not dequantized from 8-bit floats"
    - float weights: "its right operand is not dequantized from 8-bit floats"
    - integers
    - scaled terms: "it scales its terms, or adds a matrix"
    - a scaled fused product: "it scales its terms"
    - a matrix that is added: "it scales its terms, or adds a matrix"
    - the left operand is transposed: "it transposes the left operand"
    - scales of rows: "the scales of the left operand go along an axis"
    - scales along the depth: "the scales of the right operand do not go along the result's columns"
    - scales of blocks: "its scales are not one, nor along one axis"
    - a zero point: "its zero point is not 0"
    - a vector: "its right operand is no matrix"
    - a result of another type than the scales: "its scale is of another type than its result"
    - a Transpose that moves batches: "a Transpose moves more than the last two axes"

    ### UseIntegerProducts

    Multiplies quantized numbers as integers. Level 3, stage: integers.

    ```
    x: uint8[2, 3]
    before
      d = DequantizeLinear (x, 0.5, 3)
      e = DequantizeLinear <axis = 1> ({1, 2, 3, 4, 5, 6}, {0.25, 0.5})
      m = MatMul (d, e)
      y = QuantizeLinear (m, 2, 7)
    after
      y = ai.cameo.IntegerMatMul (x, 0.5, 3, {1, 2, 3, 4, 5, 6}, {0.25, 0.5}, "", "", 2, 7)
    ```

    Left alone:

    - float data: "its data is float: Abs makes it"
    - float weights: "its right operand is not dequantized from constant integers"
    - scales along the product's depth: "the scales of the weights go along axis 0, not the output channels"
    - scales of the data: "the scales go along an axis"
    - the data is transposed: "it transposes the data"
    - the terms are scaled: "it scales its terms"
    - stacked weights: "its weights have the shape [2, 3, 2], not a matrix's"
    - float data from outside: "its data is float"
    - a matrix that is added: "its bias has the shape [2, 2], not one number an output channel"

    ## Layout

    ### UseChannelsLast

    Lays images out with their channels last between convolutions. Level 3, stage: image layout.

    ```
    x: float[1, 2, 4, 4]
    before                        after
    c = Conv (x, {1, 2, 3, 4})    t = Transpose <perm = [0, 2, 3, 1]> (x)
    r = Softplus (c)              c = ai.cameo.ChannelsLastConv (t, {1, 2, 3, 4})
    y = Conv (r, {1, 2, 3, 4})    r = Softplus (c)
                                  d = ai.cameo.ChannelsLastConv (r, {1, 2, 3, 4})
                                  y = Transpose <perm = [0, 3, 1, 2]> (d)
    ```

    Left alone:

    - one spatial axis
    - groups of a few channels
    - computed weights
    - double precision

    ## Microsoft

    ### FuseDynamicQuantizeMatMul

    Writes com.microsoft's DynamicQuantizeMatMul and MatMulIntegerToFloat (target ort). Level 2, stage: com.microsoft.

    ```
    x: float[2, 3]
    before
      q, s, z = DynamicQuantizeLinear (x)
      i = MatMulInteger (q, {1, -2, 3, 4, -5, 6}, z, 1)
      c = Cast <to = 1> (i)
      t = Mul (s, 0.5)
      y = Mul (c, t)
    after
      y = com.microsoft.DynamicQuantizeMatMul (x, {1, -2, 3, 4, -5, 6}, 0.5, 1)
    ```

    Left alone:

    - computed weights: "the right operand is no constant matrix"
    - a zero point for each row: "the left operand has a zero point for each row"
    - a scale for each row: "the scale is no product of one number and a constant row"
    - the integers are read elsewhere: "the product is also read elsewhere"
    - half: "ONNX Runtime's MatMulIntegerToFloat is for float, this is float16"
    - another target
    - a row of integers: "the left operand is no matrix"
    - a computed zero point of the weights: "the zero point of the right operand is no constant row"
    - a matrix is added: "what is added is no constant row"

    ### FuseEmbedLayerNormalization

    Writes com.microsoft.EmbedLayerNormalization for the embeddings of a BERT (target ort). Level 2, stage: com.microsoft.

    ```
    ids: int64[B, S], kinds: int64[B, S], places: int64[1, S]
    before
      c = Gather ({1, 2, 3, 4, 5, 6}, ids)
      d = Gather ({1, 0, 2, 0, 3, 0, 4, 1}, places)
      e = Gather ({5, 1, 6, 2}, kinds)
      f = Add (c, e)
      h = Add (f, d)
      y = LayerNormalization <epsilon = 1e-06> (h, {1, 2}, {3, 4})
    after
      i = Cast <to = 6> (ids)
      t = Cast <to = 6> (kinds)
      o = Cast <to = 6> (places)
      y, n = com.microsoft.EmbedLayerNormalization <epsilon = 1e-06> (i, t, {1, 2, 3, 4, 5, 6}, {1, 0, 2, 0, 3, 0, 4, 1}, {5, 1, 6, 2}, {1, 2}, {3, 4}, "", o)
    ```

    Left alone:

    - an embedding and something else: "x is no embedding"
    - a flat list of ids: "the sum has rank 2, not batch, length and width"
    - one id for a row: "the indices of an embedding have another shape than [batch, length]"
    - an embedding read elsewhere: "an embedding is also read elsewhere"
    - positions of two kinds: "two embeddings are the same for all items of the batch"
    - normalized over two axes: "the normalization runs over several axes"
    - a computed scale: "a parameter is not one constant row of the last axis"
    - statistics: "the statistics m are read"
    - half: "ONNX Runtime's EmbedLayerNormalization is for float, this is float16"
    - another target
    - positions alone: "each embedding is the same for all items of the batch"
    - an open shape that is not asked for: "behind EmbedLayerNormalization ONNX Runtime writes SkipLayerNormalization, which is slower (--enable writes it)"

    ### FuseMatMulNBits

    Writes com.microsoft.MatMulNBits for blocked 4-bit weights (target ort). Level 2, stage: com.microsoft.

    ```
    x: float[1, 2, 32]
    before
      d = DequantizeLinear <axis = 0, block_size = 16> (int4[32, 2], {0.5, 0.25, 2, 1})
      y = MatMul (x, d)
    after
      y = com.microsoft.MatMulNBits <K = 32, N = 2, bits = 4, block_size = 16> (x, uint8[2, 2, 8], {0.5, 2, 0.25, 1})
    ```

    Left alone:

    - short blocks: "the blocks are 2 long on axis 0; powers of two from 16 on along axis 0 are needed"
    - one scale for all: "the weights or their scales are no constant matrix"
    - 8 bits
    - another target
    - data of one axis: "x is no matrix"
    - a row of scales too many: "the scales have shape [2, 2]"

    ### FuseMicrosoftConv

    Puts activations into com.microsoft.FusedConv (target ort). Level 2, stage: com.microsoft.

    ```
    x: float[1, 2, 4, 4]
    before
      c = Conv <kernel_shape = [3, 3]> (x, float[1, 2, 3, 3], {0.5})
      y = Relu (c)
    after
      y = com.microsoft.FusedConv <activation = "Relu", kernel_shape = [3, 3]> (x, float[1, 2, 3, 3], {0.5})
    ```

    Left alone:

    - a sum of rank 4: "ONNX Runtime runs convolutions of rank 4 in a blocked layout, where a sum of its own is faster"
    - read elsewhere: "the convolution is also read elsewhere"
    - double: "ONNX Runtime's FusedConv is for float, this is double"
    - a computed bound: "a bound of Clip is computed"
    - another target

    ### FuseMicrosoftGelu

    Writes com.microsoft's BiasGelu, FastGelu and QuickGelu (target ort). Level 2, stage: com.microsoft.

    ```
    x: float[N, 2, 3]
    before                     after
    a = Add (x, {1, 2, -3})    y = com.microsoft.BiasGelu (x, {1, 2, -3})
    y = Gelu (a)
    ```

    Left alone:

    - sum read elsewhere: "the sum is also read elsewhere"
    - gate read elsewhere: "the value s inside the pattern is an output of the graph"
    - a constant that widens
    - double: "ONNX Runtime's QuickGelu is for float, this is double"
    - half bias: "ONNX Runtime's BiasGelu is for float, this is float16"
    - another target
    - a factor that widens
    - an unknown type: "the type is not known"

    ### FuseMicrosoftGemm

    Puts activations into com.microsoft.FusedGemm (target ort). Level 2, stage: com.microsoft.

    ```
    x: float[2, 3]
    before
      m = Gemm <transB = 1> (x, {1, 2, 3, 4, 5, 6}, {1, 2})
      y = Tanh (m)
    after
      y = com.microsoft.FusedGemm <activation = "Tanh", transB = 1> (x, {1, 2, 3, 4, 5, 6}, {1, 2})
    ```

    Left alone:

    - read elsewhere: "the product is also read elsewhere"
    - rank 3
    - double: "ONNX Runtime's FusedGemm is for float, this is double"
    - another target

    ### FuseMicrosoftMatMul

    Puts transposes and scales into com.microsoft.FusedMatMul (target ort). Level 2, stage: com.microsoft.

    ```
    a: float[2, 2, 3], b: float[2, 4, 3]
    before                                  after
    t = Transpose <perm = [0, 2, 1]> (b)    y = com.microsoft.FusedMatMul <transB = 1> (a, b)
    y = MatMul (a, t)
    ```

    Left alone:

    - another permutation: "FusedMatMul has no attribute for a transpose by [1, 0, 3, 2]"
    - operands of unequal ranks: "the operands have ranks 3 and 2"
    - transposed operand read elsewhere: "the transposed operand is also read elsewhere"
    - a row of factors
    - a factor that widens
    - product read elsewhere: "the product is also read elsewhere"
    - double: "ONNX Runtime's FusedMatMul is for float, this is double"
    - another target
    - a scaled operand that is read elsewhere: "the scaled operand is also read elsewhere"

    ### FuseQuantizedOperators

    Writes com.microsoft's QLinear operators for groups of Q/DQ (target ort). Level 2, stage: com.microsoft.

    ```
    a: uint8[2, 3], b: uint8[3]
    before                               after
    c = DequantizeLinear (a, 0.5, 3)     y = com.microsoft.QLinearAdd (a, 0.5, 3, b, 0.25, 3, 0.75, 7)
    d = DequantizeLinear (b, 0.25, 3)
    e = Add (c, d)
    y = QuantizeLinear (e, 0.75, 7)
    ```

    Left alone:

    - an endless number: "operand h is not dequantized from 8 bits"
    - a sum read as floats: "the result is also read as floats"
    - a float operand: "operand b is not dequantized from 8 bits"
    - two types: "the integers are of the types int8 and uint8"
    - scales of columns: "the scales go along an axis"
    - a computed scale: "the scale of DequantizeLinear is computed"
    - a computed zero point: "the zero point of QuantizeLinear is computed"
    - a scale of nothing: "the scale of DequantizeLinear is no positive number"
    - probabilities in uneven steps: "QLinearSoftmax rounds 1 / scale to a whole number; the scale is 0.003"
    - a probability of 1 that does not fit: "a probability of 1 is past the integers' end"
    - a pool with dilations: "QLinearAveragePool has neither dilations nor this ceil_mode"
    - 16 bits
    - another target

    ### FuseQuantizedProducts

    Writes products of integers for groups of Q/DQ (target ort). Level 2, stage: com.microsoft.

    ```
    x: uint8[1, 1, 3, 3]
    before
      a = DequantizeLinear (x, 0.5, 3)
      d = DequantizeLinear <axis = 0> ({1, -2, 3, 4, -5, 6, 7, -8}, {0.25, 0.5}, {0, 0})
      e = DequantizeLinear <axis = 0> ({5, -9}, {0.125, 0.25})
      c = Conv (a, d, e)
      y = QuantizeLinear (c, 1.7, 3)
    after
      y = QLinearConv (x, 0.5, 3, {1, -2, 3, 4, -5, 6, 7, -8}, {0.25, 0.5}, {0, 0}, 1.7, 3, {5, -9})
    ```

    Left alone:

    - signed data: "ONNX Runtime's products of int8 data take longer than those of floats"
    - scales along the sum: "the scales of the weights go along axis 0, not the output channels"
    - several zero points: "the weights have several zero points"
    - scales of a batch of matrices: "the weights have several scales and rank 3"
    - a scaled Gemm: "the Gemm scales its terms or transposes the quantized data"
    - a bias of rows: "the bias is no constant with one number an output channel"
    - a bias that is far too large: "the bias is too large for int32 in steps of the scales' product"
    - an integer bias of one number: "the bias is no constant with one number an output channel"
    - another target
    - an open number of channels: "the number of channels is not known"

    ### FuseSkipNormalization

    Puts sums into com.microsoft's SkipLayerNormalization and SkipSimplifiedLayerNormalization (target ort). Level 2, stage: com.microsoft.

    ```
    x: float[N, 2, 3], z: float[N, 2, 3]
    before
      s = Add (x, z)
      y = LayerNormalization (s, {1, 2, 3}, {1, 0, -1})
    after
      y = com.microsoft.SkipLayerNormalization <epsilon = 1e-05> (x, z, {1, 2, 3}, {1, 0, -1})
    ```

    Left alone:

    - one row is added
    - a column is added: "the terms of the sum have shapes that the operator does not broadcast"
    - rank 4: "SkipLayerNormalization takes rank 2 and 3, the sum has rank 4"
    - two axes: "LayerNormalization runs over the axes from 1, not the last one alone"
    - a computed scale: "a parameter is computed"
    - statistics: "the statistics m are read"
    - half: "ONNX Runtime's SkipSimplifiedLayerNormalization is for float, this is float16"
    - another target
    - one scale for all: "a parameter is not one row of the last axis"
    - an open shape that is not asked for: "ONNX Runtime's SkipLayerNormalization is slower than Add and LayerNormalization (--enable writes it all the same)"

    ### UseMultiHeadAttention

    Writes long attention as com.microsoft.MultiHeadAttention (target ort). Level 2, stage: com.microsoft.

    ```
    q: float[1, 3, 4], k: float[1, 512, 4], v: float[1, 512, 4]
    before
      y = Attention <kv_num_heads = 2, q_num_heads = 2, scale = 0.5> (q, k, v)
    after
      y = com.microsoft.MultiHeadAttention <num_heads = 2, scale = 0.5> (q, k, v)
    ```

    Left alone:

    - few keys: "there are 5 keys; below 512 ONNX Runtime's Attention is faster"
    - open length: "the number of keys is not known"
    - causal: "with a causal mask ONNX Runtime's MultiHeadAttention stores the scores"
    - bias: "with a mask or a cache ONNX Runtime's MultiHeadAttention stores the scores"
    - shared heads: "2 query heads share 1 key heads"
    - softcap: "softcap, softmax_precision and the scores have no counterpart"
    - values of another size: "the heads of keys and values are of unequal size"
    - another target

    ### UseUnsignedQuantization

    Quantizes data to uint8 in the place of int8 (target ort). Level 2, stage: fusions.

    ```
    x: float[2, 3]
    before                              after
    q = QuantizeLinear (x, 0.5, 3)      q = QuantizeLinear (x, 0.5, 131)
    y = DequantizeLinear (q, 0.5, 3)    y = DequantizeLinear (q, 0.5, 131)
    ```

    Left alone:

    - an output of integers: "the int8 numbers are also read as such"
    - a computed zero point: "the zero point of QuantizeLinear is computed"
    - unsigned already
    - another target
    - scales of an open number: "the shape of the scale is not known"

    ## Rules

    ### CancelQuantization

    Removes QuantizeLinear of DequantizeLinear with the same parameters. Level 1, stage: clean-up, before and after the fusions; written in the rule language.

    ```
    # Quantizing what was dequantized with the same numbers gives the same integers back: the rounding error of (q -
    # z) * s / s is far below one half.
    x: float[2, 3]
    before                              after
    a = QuantizeLinear (x, 0.5, 3)      a = QuantizeLinear (x, 0.5, 3)
    b = DequantizeLinear (a, 0.5, 3)    y = DequantizeLinear (a, 0.5, 3)
    c = QuantizeLinear (b, 0.5, 3)
    y = DequantizeLinear (c, 0.5, 3)
    ```

    Left alone:

    - other scale: "the scales differ"
    - other zero point: "the zero points differ"
    - other type: "the integers are of the types uint8 and int8"
    - a tiny scale: "a scale is out of range"

    ### DropQuantizedClamp

    Removes Relu and Clip before a QuantizeLinear that saturates there. Level 2, stage: fusions; written in the rule language.

    ```
    x: float[2, 3]
    before                            after
    r = Relu (x)                      y = QuantizeLinear (x, 0.5, 0)
    y = QuantizeLinear (r, 0.5, 0)
    ```

    Left alone:

    - Relu that counts: "the integers reach below the zero point"
    - Clip that counts: "the bounds 0.0 and 6.0 are inside the range of the integers"
    - scales of columns: "scale and zero point are not one number"

    ### DropReducedAxes

    Lets reductions drop axes that are squeezed away, and keep those that are put back. Level 1, stage: clean-up, before and after the fusions; written in the rule language.

    ```
    x: float[2, 3, 4]
    before                     after
    r = ReduceMean (x, {1})    y = ReduceMean <keepdims = 0> (x, {1})
    y = Squeeze (r, {1})
    ```

    Left alone:

    - too many axes
    - put elsewhere: "other axes are added than those of the reduction"

    ### FuseChannelNormalization

    Recognises LayerNormalization over the channel axis. Level 2, stage: fusions; written in the rule language.

    ```
    # As ConvNeXt has it: mean and variance over axis 1, a factor and a summand for each channel. d / sqrt(q + e).
    x: float[2, 4, 3, 5]
    before                       after
    m = ReduceMean (x, {1})      t = Transpose <perm = [0, 2, 3, 1]> (x)
    d = Sub (x, m)               n = LayerNormalization <axis = -1, epsilon = 1e-05> (t, {1, 2, 3, 4}, {4, 5, 6, 7})
    s = Mul (d, d)               y = Transpose <perm = [0, 3, 1, 2]> (n)
    q = ReduceMean (s, {1})
    v = Add (q, 1e-05)
    r = Sqrt (v)
    n = Div (d, r)
    k = Mul (n, {1, 2, 3, 4})
    y = Add ({4, 5, 6, 7}, k)
    ```

    Left alone:

    - spatial axes
    - opset too low: "LayerNormalization needs opset 17, the output is limited to 16"
    - doubles: "LayerNormalization computes in floats, x is of doubles"
    - half precision of two means: "the difference of two means of float16 is mostly rounding: the fused node would differ"
    - different axes: "mean and variance are taken over different axes"
    - an epsilon for each row: "epsilon is not one number"
    - a scale of the width: "scale and bias are not one number for each channel"

    ### FuseElu

    Recognises the spellings of Elu, Celu and Selu. Level 2, stage: fusions; written in the rule language.

    ```
    # Where(x > 0, x, a (exp(x) - 1)), relu(x) + min(0, a (exp(x / a) - 1)), and gamma * Elu with Selu's numbers.
    x: float[2, 3]
    before                 after
    e = Exp (x)            y = Elu <alpha = 1.5> (x)
    s = Sub (e, 1)
    m = Mul (1.5, s)
    c = Greater (x, 0)
    y = Where (c, x, m)
    ```

    Left alone:

    - another alpha than Selu: "alpha is 1.5, Selu's is 1.6732632"
    - another slope than Celu: "the slope at 0 is 0.5, not 1"
    - many alphas: "alpha is not one number"
    - a runtime that takes longer: "known runtimes take longer for Elu than for its parts (--prefer-standard makes it)"
    - doubles: "known runtimes have no Elu of doubles"
    - an alpha that widens: "alpha gives the result another shape"
    - a runtime that takes longer for Celu: "known runtimes take longer for Celu than for its parts (--prefer-standard makes it)"
    - a runtime that takes longer for Selu: "known runtimes take longer for Selu than for its parts (--prefer-standard makes it)"

    ### FuseGelu

    Recognises the erf, tanh and sigmoid spellings of Gelu. Level 2, stage: fusions; written in the rule language.

    ```
    # 0.5 * x * (1 + Erf(x / sqrt(2))) in any grouping is Gelu(x), the same with Tanh(sqrt(2 / pi) * (x + 0.044715 *
    # x^3)) its tanh form, as is x * Sigmoid(2 * sqrt(2 / pi) * (x + 0.044715 * x^3)).
    # x * (1 + e) / 2
    x: float[2, 3]
    before                    after
    d = Div (x, 1.4142135)    y = Gelu (x)
    e = Erf (d)
    g = Add (e, 1)
    p = Mul (x, g)
    y = Mul (p, 0.5)
    ```

    Left alone:

    - a constant that widens the result
    - another divisor: "the divisor is 1.5, 1.414213562373095 was expected"
    - read elsewhere: "the value e inside the pattern is also read elsewhere"
    - an output inside: "the value e inside the pattern is an output of the graph"
    - two inputs: "x and z stand where the same value was expected (x)"
    - opset too low: "Gelu needs opset 20, the output is limited to 19"
    - doubles: "known runtimes have no Gelu of doubles"
    - another half: "the constant is 0.6, 0.5 was expected"
    - another one: "the constant is 1.01, 1.0 was expected"

    ### FuseGemmTranspose

    Puts Transposes around a product of matrices into Gemm. Level 2, stage: fusions; written in the rule language.

    ```
    x: float[3, 2], b: float[3, 4]
    before                               after
    t = Transpose <perm = [1, 0]> (x)    y = Gemm <transA = 1> (x, b)
    y = Gemm (t, b)
    ```

    Left alone:

    - rank 3

    ### FuseGroupNormalization

    Recognises GroupNormalization over reshaped groups. Level 2, stage: fusions; written in the rule language.

    ```
    # Reshape to groups, InstanceNormalization of each, Reshape back, a factor and a summand for each channel. Only where
    # the output may hold GroupNormalization: known runtimes expand it.
    x: float[2, 4, 3, 5]
    before
      r = Reshape (x, {0, 2, -1})
      n = InstanceNormalization (r, {1, 1}, {0, 0})
      s = Reshape (n, {2, 4, 3, 5})
      k = Mul (s, {1, 2, 3, 4})
      y = Add ({4, 5, 6, 7}, k)
    after
      y = GroupNormalization <epsilon = 1e-05, num_groups = 2> (x, {1, 2, 3, 4}, {4, 5, 6, 7})
    ```

    Left alone:

    - opset too low: "GroupNormalization needs opset 21, the output is limited to 20"
    - groups not put back: "the groups are not put back"
    - a target that expands it: "known runtimes expand GroupNormalization (--prefer-standard keeps it)"
    - groups of the batch: "the groups are not those of channels"
    - a scale of the width: "scale and bias are not one number for each channel"

    ### FuseHardSigmoid

    Recognises a line clipped to 0..1. Level 2, stage: fusions; written in the rule language.

    ```
    # Clip(a * x + b, 0, 1), and Clip(x + b, 0, h) / h.
    x: float[2, 3]
    before                after
    m = Mul (x, 0.25)     y = HardSigmoid <alpha = 0.25, beta = 0.5> (x)
    a = Add (0.5, m)
    y = Clip (a, 0, 1)
    ```

    Left alone:

    - another height: "the gate reaches 2.0, not 1"
    - many slopes: "the line is not the same for all elements"
    - another bound
    - doubles: "known runtimes have no HardSigmoid of doubles"
    - a line that widens: "the line gives the result another shape"

    ### FuseHardSwish

    Recognises the spellings of HardSwish. Level 2, stage: fusions; written in the rule language.

    ```
    # x * Clip(x + 3, 0, 6) / 6 in any grouping, or x * HardSigmoid of slope 1/6 and offset 1/2.
    x: float[2, 3]
    before                after
    a = Add (x, 3)        y = HardSwish (x)
    c = Clip (a, 0, 6)
    p = Mul (x, c)
    y = Div (p, 6)
    ```

    Left alone:

    - another gate
    - another slope: "the slope of the gate is 0.20000000298023224, not 1/6"
    - another offset: "the offset of the gate is 0.25, not 1/2"
    - doubles: "known runtimes have no HardSwish of doubles"

    ### FuseInstanceNormalization

    Recognises decomposed InstanceNormalization. Level 2, stage: fusions; written in the rule language.

    ```
    # Mean and variance over all spatial axes, which may be open. Where they are known LayerNormalization has come first:
    # it is taken where it says the same and no factor for each of its elements stood behind it.
    x: float[2, 3, H, W]
    before                        after
    m = ReduceMean (x, {2, 3})    y = InstanceNormalization <epsilon = 1e-05> (x, {1, 2, 3}, {4, 5, 6})
    d = Sub (x, m)
    s = Mul (d, d)
    q = ReduceMean (s, {2, 3})
    v = Add (q, 1e-05)
    r = Sqrt (v)
    n = Div (d, r)
    k = Mul (n, {1, 2, 3})
    y = Add ({4, 5, 6}, k)
    ```

    Left alone:

    - scale of the width: "the factor is not one number for each channel"
    - one axis
    - different axes: "mean and variance are taken over different axes"
    - moments in half precision: "the difference of two means of float16 is mostly rounding: the fused node would differ"
    - open channels: "the number of channels, C, is not known"
    - doubles: "known runtimes have no InstanceNormalization of doubles"
    - an epsilon for each channel: "epsilon is not one number"
    - a scale of the length behind LayerNormalization: "scale and bias are not one number for each channel"
    - a summand of the width: "the summand is not one number for each channel"
    - channels last: "scale or bias give the result another shape"

    ### FuseLayerNormalization

    Recognises decomposed LayerNormalization. Level 2, stage: fusions; written in the rule language.

    ```
    # d = x - mean(x), n = d / sqrt(variance + epsilon), then a factor and a summand for each normalised element. The
    # variance may be written as mean(x^2) - mean(x)^2: the fused node is the more accurate one. In half precision that
    # difference is mostly rounding, and the fused node would give other numbers than the file. Scale and bias may be
    # folded as TensorFlow does it. Half precision is computed in floats between casts, as stash_type says.
    x: float[2, 3, 4]
    before                       after
    m = ReduceMean (x, {-1})     y = LayerNormalization <axis = -1, epsilon = 1e-05> (x, {1, 2, 3, 4}, {4, 3, 2, 1})
    d = Sub (x, m)
    s = Pow (d, 2)
    q = ReduceMean (s, {-1})
    v = Add (q, 1e-05)
    r = Sqrt (v)
    n = Div (d, r)
    k = Mul (n, {1, 2, 3, 4})
    y = Add (k, {4, 3, 2, 1})
    ```

    Left alone:

    - not the last axis: "the axes [1] are not the last ones of a tensor of rank 3"
    - different axes: "mean and variance are taken over different axes"
    - open dimension: "the normalised dimensions are not known"
    - opset too low: "LayerNormalization needs opset 17, the output is limited to 16"
    - scaled before rounding: "the scale is applied before the result is rounded"
    - scale of rows: "the factor varies along other axes than the normalised ones"
    - bias of rows: "the summand varies along other axes than the normalised ones"
    - doubles: "LayerNormalization computes in floats, x is of doubles"
    - half precision of two means: "the difference of two means of float16 is mostly rounding: the fused node would differ"
    - an epsilon for each row: "epsilon is not one number"
    - sums in the place of means: "a ReduceSum stands where a ReduceMean was expected"
    - a folded scale of rows: "scale or bias vary along other axes than the normalised ones"
    - another result type: "the result is cast to another type than the input's"
    - integers in floats: "it is not half precision computed in floats"

    ### FuseLeakyRelu

    Recognises the spellings of LeakyRelu. Level 2, stage: fusions; written in the rule language.

    ```
    # Where(x > 0, x, a x), max(x, a x) with a in 0..1, relu(x) - a relu(-x) and relu(x) + a (x - |x|) / 2.
    x: float[2, 3]
    before                 after
    m = Mul (x, 0.25)      y = LeakyRelu <alpha = 0.25> (x)
    c = Greater (x, 0)
    y = Where (c, x, m)
    ```

    Left alone:

    - a slope above 1: "the slope 1.5 is not from 0 to 1"
    - many slopes: "the slope is not one number"
    - doubles: "known runtimes have no LeakyRelu of doubles"
    - a slope that widens: "the slope gives the result another shape"

    ### FuseLogSoftmax

    Recognises LogSoftmax, and Softmax behind a shift. Level 2, stage: fusions; written in the rule language.

    ```
    # log(softmax(x)), also as x - logsumexp(x). A shift by the maximum changes nothing and goes.
    x: float[2, 3]
    before                        after
    s = Softmax <axis = 1> (x)    y = LogSoftmax <axis = 1> (x)
    y = Log (s)
    ```

    Left alone:

    - Softmax of another axis: "the maximum is taken over other axes"
    - two axes: "LogSoftmax runs over one axis, the sum over [0, 1]"

    ### FuseLpNormalization

    Recognises the division by an L1 or L2 norm. Level 2, stage: fusions; written in the rule language.

    ```
    # On a vector of zeros the division gives NaN, LpNormalization 0.
    x: float[2, 3]
    before                   after
    n = ReduceL2 (x, {1})    y = LpNormalization <axis = 1, p = 2> (x)
    y = Div (x, n)
    ```

    Left alone:

    - two axes: "LpNormalization runs over one axis, the norm over [0, 1]"
    - a bound: "the norm is kept from falling below 0.5, LpNormalization has no such bound"
    - a bound by Clip: "the norm is kept from falling below 0.5, LpNormalization has no such bound"
    - in negative units: "the unit of the norm is not one positive number"
    - in a unit that widens: "the unit gives the result another shape"

    ### FuseMatMulBias

    Turns MatMul and bias of matrices into Gemm. Level 2, stage: fusions; written in the rule language.

    ```
    # Products of higher rank keep their MatMul: flattening them would cost reshapes.
    x: float[2, 3]
    before                                after
    m = MatMul (x, {1, 2, 3, 4, 5, 6})    y = Gemm (x, {1, 2, 3, 4, 5, 6}, {1, 2})
    y = Add (m, {1, 2})
    ```

    Left alone:

    - rank 3
    - read elsewhere: "the value m inside the pattern is also read elsewhere"
    - a bias that widens
    - Gemm and a computed row

    ### FuseMish

    Recognises the spellings of Mish. Level 2, stage: fusions; written in the rule language.

    ```
    # x * tanh(softplus(x)), also without logarithms: with n = e^x * (e^x + 2) it is x * n / (n + 2).
    x: float[2, 3]
    before              after
    s = Softplus (x)    y = Mish (x)
    t = Tanh (s)
    y = Mul (t, x)
    ```

    Left alone:

    - two inputs: "x and z stand where the same value was expected (x)"
    - doubles: "known runtimes have no Mish of doubles"

    ### FusePRelu

    Recognises the spellings of PRelu. Level 2, stage: fusions; written in the rule language.

    ```
    # As LeakyRelu, with slopes that differ.
    x: float[2, 3]
    before                          after
    m = Mul (x, {0.25, 0.5, -1})    y = PRelu (x, {0.25, 0.5, -1})
    c = GreaterOrEqual (x, 0)
    y = Where (c, x, m)
    ```

    Left alone:

    - slopes that widen: "the slopes give the result another shape"
    - one slope
    - a runtime that takes longer: "known runtimes take longer for PRelu than for its parts (--prefer-standard makes it)"
    - doubles: "known runtimes have no PRelu of doubles"

    ### FuseRMSNormalization

    Recognises decomposed RMSNormalization. Level 2, stage: fusions; written in the rule language.

    ```
    # n = x / sqrt(mean(x^2) + epsilon), then a factor for each normalised element. Half precision is computed in
    # floats between casts, as stash_type says. d / sqrt(q + e).
    x: float[2, 3, 4]
    before                       after
    s = Pow (x, 2)               y = RMSNormalization <axis = -1, epsilon = 1e-05> (x, {1, 2, 3, 4})
    q = ReduceMean (s, {-1})
    v = Add (q, 1e-05)
    r = Sqrt (v)
    n = Div (x, r)
    y = Mul ({1, 2, 3, 4}, n)
    ```

    Left alone:

    - opset too low: "RMSNormalization needs opset 23, the output is limited to 22"
    - not the last axis: "the axes [1] are not the last ones of a tensor of rank 3"
    - reduction drops its axes: "the reduction drops its axes"
    - scaled before rounding: "the scale is applied before the result is rounded"
    - another result type: "the result is cast to another type than the input's"
    - open dimension: "the normalised dimensions are not known"
    - a sum of squares: "a ReduceSum of the squares stands where their ReduceMean was expected"
    - integers in floats: "it is not half precision computed in floats"
    - doubles: "RMSNormalization computes in floats, x is of doubles"
    - an epsilon for each row: "epsilon is not one number"
    - a factor of rows: "the factor varies along other axes than the normalised ones"

    ### FuseReduction

    Merges reductions with what is computed element by element around them. Level 2, stage: fusions; written in the rule language.

    ```
    # ReduceSum(x * x) is ReduceSumSquare, its root ReduceL2, ReduceSum(|x|) ReduceL1, Log(ReduceSum(Exp(x)))
    # ReduceLogSumExp (also shifted by the maximum, also by ReduceMax), Log(ReduceSum(x)) ReduceLogSum, ReduceSum(x)
    # / n ReduceMean.
    x: float[2, 3]
    before                     after
    s = Mul (x, x)             y = ReduceSumSquare <keepdims = 1> (x, {1})
    y = ReduceSum (s, {-1})
    ```

    Left alone:

    - another divisor
    - shifted along another axis
    - integers
    - no axes
    - a runtime that takes longer
    - ReduceSumSquare over another number
    - the mean of squares of another number: "the factor is not one over the number of elements"
    - a mean of squares that widens: "the factor gives the result another shape"

    ### FuseRelu

    Recognises the spellings of Relu. Level 2, stage: fusions; written in the rule language.

    ```
    # Max(x, 0), Clip from 0 upwards, Where(x > 0, x, 0) and (x + |x|) / 2.
    x: float[2, 3]
    before            after
    y = Max (x, 0)    y = Relu (x)
    ```

    Left alone:

    - Max with one
    - an upper bound
    - integers
    - a zero that widens

    ### FuseSigmoid

    Recognises the spellings of Sigmoid. Level 2, stage: fusions; written in the rule language.

    ```
    # 1 / (1 + exp(-x)), exp(x) / (exp(x) + 1) and (tanh(x / 2) + 1) / 2.
    x: float[2, 3]
    before                after
    m = Neg (x)           y = Sigmoid (x)
    e = Exp (m)
    a = Add (1, e)
    y = Reciprocal (a)
    ```

    Left alone:

    - another summand: "the constant is 2.0, 1.0 was expected"
    - not negated

    ### FuseSoftplus

    Recognises the spellings of Softplus. Level 2, stage: fusions; written in the rule language.

    ```
    # log(exp(x) + 1), which overflows where Softplus does not, and max(x, 0) + log(exp(-|x|) + 1).
    x: float[2, 3]
    before            after
    e = Exp (x)       y = Softplus (x)
    a = Add (1, e)
    y = Log (a)
    ```

    Left alone:

    - doubles: "known runtimes have no Softplus of doubles"
    - another base: "the constant is 2.0, 1.0 was expected"
    - a runtime that takes longer: "known runtimes take longer for Softplus than for its parts (--prefer-standard makes it)"

    ### FuseSoftsign

    Recognises x / (1 + |x|). Level 2, stage: fusions; written in the rule language.

    ```
    x: float[2, 3]
    before            after
    b = Abs (x)       y = Softsign (x)
    a = Add (1, b)
    y = Div (x, a)
    ```

    Left alone:

    - doubles: "known runtimes have no Softsign of doubles"
    - two inputs: "x and z stand where the same value was expected (x)"

    ### FuseSwiGLU

    Recognises swish(gate) * up. Level 2, stage: fusions; written in the rule language.

    ```
    # Where the output may not hold SwiGLU, LegalizeActivations takes it apart at the end.
    a: float[2, 3], b: float[2, 3]
    before            after
    s = Swish (a)     y = SwiGLU <alpha = 1.0> (a, b)
    y = Mul (s, b)
    ```

    Left alone:

    - broadcast: "SwiGLU does not broadcast"
    - constant
    - read elsewhere: "the value s inside the pattern is an output of the graph"

    ### FuseSwish

    Recognises x * sigmoid(alpha * x). Level 2, stage: fusions; written in the rule language.

    ```
    # SiLU x * sigmoid(x), QuickGelu x * sigmoid(1.702 x), and x / (1 + exp(-x)). Where the output may not hold
    # Swish, LegalizeActivations takes it apart at the end.
    x: float[2, 3]
    before             after
    s = Sigmoid (x)    y = Swish (x)
    y = Mul (x, s)
    ```

    Left alone:

    - many slopes: "the slope of the gate is not one number"
    - rising exponent: "the exponent grows with x"
    - a gate of something else
    - read elsewhere: "the value s inside the pattern is also read elsewhere"
    - a slope that widens: "the slope of the gate gives it another shape"

    ### FuseTanh

    Recognises the spellings of Tanh. Level 2, stage: fusions; written in the rule language.

    ```
    # (e^x - e^-x) / (e^x + e^-x), (1 - e^-2x) / (1 + e^-2x), (e^2x - 1) / (e^2x + 1) and 2 * sigmoid(2 x) - 1.
    x: float[2, 3]
    before            after
    a = Exp (x)       y = Tanh (x)
    n = Neg (x)
    b = Exp (n)
    s = Sub (a, b)
    t = Add (b, a)
    y = Div (s, t)
    ```

    Left alone:

    - another slope: "the constant is 3.0, 2.0 was expected"

    ### FuseThresholdedRelu

    Recognises Where(x > t, x, 0). Level 2, stage: fusions; written in the rule language.

    ```
    x: float[2, 3]
    before                  after
    c = Greater (x, 0.5)    y = ThresholdedRelu <alpha = 0.5> (x)
    y = Where (c, x, 0)
    ```

    Left alone:

    - many thresholds: "the threshold is not one number"
    - another rest
    - doubles: "known runtimes have no ThresholdedRelu of doubles"
    - a threshold that widens: "the threshold gives the result another shape"

    ### MergeCasts

    Makes one Cast of two where the first loses nothing. Level 1, stage: clean-up, before and after the fusions; written in the rule language.

    ```
    x: float16[2]
    before                    after
    a = Cast <to = 1> (x)     y = Neg (x)
    b = Cast <to = 10> (a)
    y = Neg (b)
    ```

    Left alone:

    - narrower in between
    - signed in between

    ### MergeClips

    Makes one Clip of chains of Min, Max, Relu and Clip. Level 2, stage: fusions; written in the rule language.

    ```
    # Clip(x, low, high) is Min(Max(x, low), high).
    x: float[2, 3]
    before             after
    m = Max (x, -1)    y = Clip (x, -1, 2)
    y = Min (m, 2)
    ```

    Left alone:

    - crossing bounds: "the bounds cross: 2.0 and -1.0"
    - many bounds: "a bound is not one number"
    - integers
    - a bound that widens: "a bound gives the result another shape"
    - a negative upper bound: "the upper bound is not one number from 0 upwards"
    - two Clips: "the bounds cross"

    ### MergePads

    Makes one Pad of two that pad with the same value. Level 1, stage: clean-up, before and after the fusions; written in the rule language.

    ```
    x: float[2, 3]
    before                       after
    p = Pad (x, {1, 0, 0, 1})    y = Pad (x, {2, 1, 1, 1})
    y = Pad (p, {1, 1, 1, 0})
    ```

    Left alone:

    - cropping: "a Pad crops"
    - other values

    ### MergeScalars

    Makes one factor of two constant ones. Level 2, stage: fusions; written in the rule language.

    ```
    # (x * a) * b is x * (a * b), one rounding less. Summands of floats stay: (x + a) + b may cancel.
    x: float[2, 3]
    before              after
    m = Mul (x, 2)      y = Mul (x, 3)
    y = Mul (1.5, m)
    ```

    Left alone:

    - summands: "sums of floats are rounded one by one"
    - too small: "the product 9.99999936531046e-41 of the factors is out of range"
    - too small for a half: "the product 6.103515625e-05 of the factors is out of range"
    - columns: "a factor is not one number"
    - a factor that widens: "a factor gives the result another shape"

    ### MergeSlices

    Makes one Slice of two. Level 1, stage: clean-up, before and after the fusions; written in the rule language.

    ```
    x: float[4, 5]
    before                          after
    s = Slice (x, {1}, {3}, {0})    y = Slice (x, {1, 1}, {3, 3}, {0, 1})
    y = Slice (s, {1}, {3}, {1})
    ```

    Left alone:

    - from the end

    ### MoveQuantization

    Moves data between equal DequantizeLinear and QuantizeLinear as integers. Level 2, stage: fusions; written in the rule language.

    ```
    x: uint8[2, 3]
    before                              after
    b = DequantizeLinear (x, 0.5, 3)    y = Reshape (x, {3, 2})
    m = Reshape (b, {3, 2})
    y = QuantizeLinear (m, 0.5, 3)
    ```

    Left alone:

    - another scale: "the scales 0.5 and 0.25 differ"
    - scales along an axis: "the scales go along an axis"
    - mixed pixels
    - the place of the largest of several scales: "the scales go along an axis"
    - another type: "the integers are of the types uint8 and int8"
    - another zero point: "the zero points 3.0 and 4.0 differ"
    - a scale whose numbers vanish: "the scale 9.999999350456404e-39 is out of range"
    - the place of the largest of 16 bits: "the integers are of the type int16"
    - the place of the largest of numbers that vanish: "the scale 9.999999350456404e-39 is out of range"

    ### SimplifyArithmetic

    Applies exact identities of negation, reciprocal and idempotent operators. Level 1, stage: clean-up, before and after the fusions; written in the rule language.

    ```
    x: float[2, 3]
    before          after
    a = Neg (x)     y = Sqrt (x)
    b = Neg (a)
    y = Sqrt (b)
    ```

    Left alone:

    - Neg read elsewhere
    - Neg of Relu

    ### SimplifyLogic

    Applies identities of Not, And, Or and Where. Level 1, stage: clean-up, before and after the fusions; written in the rule language.

    ```
    x: bool[2]
    before            after
    a = Not (x)       y = Xor (x, x)
    b = Not (a)
    y = Xor (b, x)
    ```

    Left alone:

    - a mixed condition
    - a condition that widens

    ### SimplifyPowers

    Writes x^0.5, x^-1, a * (1 / b) and a / (1 / b) with one operator. Level 2, stage: fusions; written in the rule language.

    ```
    # Not exact on signed zeros and infinities (Pow(-0, 0.5) is +0), or one rounding less.
    x: float[2, 3]
    before              after
    y = Pow (x, 0.5)    y = Sqrt (x)
    ```

    Left alone:

    - cube

    ## Structure

    ### CancelTransposes

    Moves Transposes over element-wise operators until they cancel. Level 1, stage: clean-up, before and after the fusions.

    ```
    x: float[1, 2, 3, 4]
    before                                     after
    a = Transpose <perm = [0, 2, 3, 1]> (x)    b = Add (x, {1, 2})
    b = Add (a, {1, 2})                        y = Clip (b, "", 6)
    d = Clip (b, "", 6)
    y = Transpose <perm = [0, 3, 1, 2]> (d)
    ```

    Left alone:

    - nothing to gain
    - a product between
    - a value of lower rank

    ### DropBroadcasts

    Reads past Expand and Tile where readers broadcast anyway. Level 1, stage: clean-up, before and after the fusions.

    ```
    b: float[1, 3], x: float[N, 3]
    before               after
    s = Shape (x)        y = Add (b, x)
    e = Expand (b, s)
    y = Add (e, x)
    ```

    Left alone:

    - the only one of that length: "no other operand has the length 2 on axis 0"
    - an axis of its own: "no other operand has the length 1 on axis 0"
    - the matrix of a product: "the matrix itself is broadcast"
    - a reader that does not broadcast
    - a Tile of rows: "the Tile repeats more than lengths of 1"
    - a length that may be 1: "whether A or F is the length of axis 0 is not known"
    - an operand of an unknown rank: "the shape of another operand is not known"

    ### FoldTransposes

    Takes Transposes of matrices into Gemm. Level 2, stage: structure.

    ```
    x: float[3, 2], z: float[3, 4]
    before               after
    t = Transpose (x)    y = Gemm <transA = 1> (x, z)
    y = MatMul (t, z)
    ```

    Left alone:

    - integers: "Gemm of int32 is not common"
    - read elsewhere: "the Transpose is also read elsewhere"
    - a product read elsewhere: "the product is also read elsewhere"
    - a computed bias: "the bias is not constant"
    - three axes

    ### FormSplits

    Turns Slices and Gathers of parts of one axis into one Split. Level 2, stage: structure.

    ```
    x: float[2, 8]
    before                          after
    a = Slice (x, {0}, {4}, {1})    a, b = Split <axis = 1> (x, {4, 4})
    b = Slice (x, {4}, {8}, {1})    n = Neg (b)
    n = Neg (b)                     y = Mul (n, a)
    y = Mul (n, a)
    ```

    Left alone:

    - scalars
    - parts that overlap: "the parts overlap at element 3 of axis 1"
    - little of much: "98 of the 100 elements of axis 1 are read by none of the parts"
    - an open axis: "the length of axis 1 is not known"
    - steps

    ### FuseDepthToSpace

    Turns reshapes and a Transpose of blocks into DepthToSpace or SpaceToDepth. Level 2, stage: structure.

    ```
    x: float[N, 8, 3, 5]
    before                                           after
    r = Reshape (x, {0, 2, 2, 2, 3, 5})              y = DepthToSpace <blocksize = 2, mode = "CRD"> (x)
    p = Transpose <perm = [0, 1, 4, 2, 5, 3]> (r)
    y = Reshape (p, {0, 2, 6, 10})
    ```

    Left alone:

    - rows and columns exchanged: "the reshapes around the Transpose do not move blocks of 2 times 2"
    - blocks of two lengths
    - integers: "runtimes have no DepthToSpace of int32"
    - read in between: "what stands between the reshapes is also read elsewhere"

    ### FuseSpaceToDepth

    Turns a Concat of an image's phases into SpaceToDepth. Level 2, stage: structure.

    ```
    x: float[1, 1, 4, 4]
    before                                                 after
    a = Slice (x, {0}, {9223372036854775807}, {2}, {2})    m = SpaceToDepth <blocksize = 2> (x)
    b = Slice (a, {0}, {9223372036854775807}, {3}, {2})    y = Conv (m, {1, 3, 2, 4})
    d = Slice (x, {1}, {9223372036854775807}, {2}, {2})
    f = Slice (d, {0}, {9223372036854775807}, {3}, {2})
    h = Slice (x, {0}, {9223372036854775807}, {2}, {2})
    j = Slice (h, {1}, {9223372036854775807}, {3}, {2})
    k = Slice (x, {1}, {9223372036854775807}, {2}, {2})
    l = Slice (k, {1}, {9223372036854775807}, {3}, {2})
    m = Concat <axis = 1> (b, f, j, l)
    y = Conv (m, {1, 2, 3, 4})
    ```

    Left alone:

    - a phase twice: "the Concat has 3 of the 4 phases"
    - a type without kernel: "runtimes have no SpaceToDepth of int32"
    - an unknown number of channels: "the number of channels is not known"
    - rows that end early

    ### LiftSplits

    Splits in front of reshapes and transposes instead of behind them. Level 2, stage: structure.

    ```
    x: float[N, 5, 12]
    before                                       after
    r = Reshape (x, {0, 0, 3, 4})                a, b, c = Split <axis = 2> (x, {4, 4, 4})
    a, b, c = Split <axis = 2> (r, {1, 1, 1})    p = Reshape (a, {0, 5, 1, 4})
    d = Reshape (a, {0, 5, 2, 2})                d = Reshape (p, {0, 5, 2, 2})
    e = Reshape (b, {0, 5, 2, 2})                q = Reshape (b, {0, 5, 1, 4})
    f = Reshape (c, {0, 5, 2, 2})                e = Reshape (q, {0, 5, 2, 2})
    m = Mul (d, e)                               r = Reshape (c, {0, 5, 1, 4})
    y = Sub (m, f)                               f = Reshape (r, {0, 5, 2, 2})
                                                 m = Mul (d, e)
                                                 y = Sub (m, f)
    ```

    Left alone:

    - parts that stay in shape: "a part is read in the shape that the Reshape gave it"
    - a Transpose that moves more: "the Transpose moves more than the parts' axis"
    - longer parts: "a part is 2 long: its Transpose would stay"
    - read elsewhere: "the Reshape is also read elsewhere"
    - a Reshape that mixes axes
    - parts of computed sizes: "the sizes of the parts are not known"
    - a Reshape that also cuts the next axis: "the Reshape does not cut one axis into the parts' axis and others"
    - open lengths that move: "a Reshape cannot name the shape of the parts"

    ### MergeProducts

    Merges products of one value with several weights into one and a Split. Level 2, stage: structure.

    ```
    x: float[N, 2]
    before                             after
    k = MatMul (x, {1, 2, 3, 4})       k = MatMul (x, float[2, 6])
    l = MatMul (x, {5, 6, 7, 8})       l = Add (k, {1, 2, 3, 4, 5, 6})
    m = MatMul (x, {9, 10, 11, 12})    d, e, f = Split <axis = 1> (l, {2, 2, 2})
    d = Add (k, {1, 2})                u = Mul (d, e)
    e = Add ({3, 4}, l)                y = Sub (u, f)
    f = Add (m, {5, 6})
    u = Mul (d, e)
    y = Sub (u, f)
    ```

    Left alone:

    - different activations: "the products have different activations behind them"
    - weights read elsewhere: "the weights are read elsewhere and would stand in the file twice"
    - groups
    - kernels of two sizes
    - a bias of rows: "the bias has not one number an output channel"
    - images in a file: "ONNX Runtime runs these convolutions in a blocked layout, which the Split would leave (--enable merges them)"

    ### NarrowMovement

    Moves data in front of DequantizeLinear and behind QuantizeLinear. Level 2, stage: integers.

    ```
    a: uint8[2, 3], b: uint8[2, 4]
    before                              after
    c = DequantizeLinear (a, 0.5, 3)    y = Concat <axis = 1> (a, b)
    d = DequantizeLinear (b, 0.5, 3)
    e = Concat <axis = 1> (c, d)
    y = QuantizeLinear (e, 0.5, 3)
    ```

    Left alone:

    - what is joined is read otherwise: "what is joined is also read as floats"
    - joined by other numbers: "part 1 of the Concat is not dequantized by the same numbers"
    - padded with another number: "it pads with another number than 0"
    - mixed pixels

    """#
}
