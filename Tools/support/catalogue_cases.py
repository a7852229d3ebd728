"""ONNX Runtime's graph optimizations by level: what each is, what does the same here, and a graph that shows it.

name: ONNX Runtime's name and what it does. cameo: the pass, or why there is none. graph: text of one graph (opset 21 unless `opset` says
otherwise). more: why `--target ort` may leave more nodes than ONNX Runtime there."""

DQ = "uint8 z = {3}, float s = {0.5}, float t = {0.25}, uint8 o = {7}"


def entry(name, cameo, graph=None, **options):
    return {"name": name, "cameo": cameo, "graph": graph, **options}


def quantized(op, shape="[2,3]", result=None, extra="", weights=""):
    """One operator of two dequantized operands, quantized again."""
    return (f"(uint8{shape} a, uint8{shape} b{extra}) => (uint8{result or shape} y) <{DQ}{weights}> "
            f"{{ c = DequantizeLinear (a, s, z) d = DequantizeLinear (b, t, o) e = {op} y = QuantizeLinear (e, s, o) }}")


def moved(op, shape="[2,3]", result="[2,3]", weights=""):
    """One operator between a DequantizeLinear and a QuantizeLinear of the same numbers."""
    return (f"(uint8{shape} a) => (uint8{result} y) <{DQ}{weights}> "
            f"{{ c = DequantizeLinear (a, s, z) e = {op} y = QuantizeLinear (e, s, z) }}")


W22 = "float[2,2] w = {1,2,3,4}"
CONV = "float[2,2,1,1] w = {1,2,3,4}, float[2] b = {1,2}"

ENTRIES = {
    "Level 1, rewrite rules": [
        entry("EliminateIdentity", "EliminateIdentity", "(float[2] x) => (float[2] y) { a = Identity (x) y = Neg (a) }"),
        entry("EliminateSlice: a Slice of everything", "EliminateIdentity",
              "(float[2,3] x) => (float[2,3] y) <int64[1] a = {0}, int64[1] b = {9223372036854775807}> { c = Slice (x, a, b, a) y = Neg (c) }"),
        entry("UnsqueezeElimination: of an initializer", "FoldConstants",
              "(float[2,3] x) => (float[2,3] y) <float[3] c = {1,2,3}, int64[1] a = {0}> { d = Unsqueeze (c, a) y = Add (x, d) }"),
        entry("EliminateDropout", "EliminateIdentity", "(float[2] x) => (float[2] y) { a = Dropout (x) y = Neg (a) }"),
        entry("ExpandElimination: to its own shape", "EliminateIdentity, DropBroadcasts",
              "(float[2,3] x) => (float[2,3] y) <int64[2] a = {2,3}> { c = Expand (x, a) y = Neg (c) }"),
        entry("CastElimination: to the same type", "EliminateIdentity", "(float[2] x) => (float[2] y) { a = Cast <to = 1> (x) y = Neg (a) }"),
        entry("CastChainElimination (on request)", "MergeCasts, where the first Cast loses nothing",
              "(float16[2] x) => (float[2] y) { a = Cast <to = 11> (x) b = Cast <to = 1> (a) y = Neg (b) }"),
        entry("PreShapeNodeElimination: Shape of a Cast", "EliminateIdentity",
              "(float[N,2] x, int64[2] z) => (int64[2] y) { a = Cast <to = 7> (x) c = Shape (a) y = Add (c, z) }"),
        entry("NoopElimination: x + 0, x - 0, x * 1, x / 1", "EliminateIdentity",
              "(float[2] x) => (float[2] y) <float o = {0}, float i = {1}> { a = Add (x, o) b = Mul (a, i) c = Div (b, i) d = Sub (c, o) y = Neg (d) }"),
        entry("DivMulFusion: (1 / a) * b is b / a", "SimplifyPowers",
              "(float[2] x, float[2] z) => (float[2] y) <float i = {1}> { a = Div (i, x) y = Mul (a, z) }"),
        entry("FuseReluClip: Relu in front of Clip", "MergeClips",
              "(float[2] x) => (float[2] y) <float l = {-1}, float h = {6}> { a = Relu (x) y = Clip (a, l, h) }"),
        entry("GemmSumFusion: Gemm + Sum is Gemm with C", "FuseMatMulBias for constant and computed terms",
              "(float[2,2] x, float[2,2] z) => (float[2,2] y) <" + W22 + "> { a = Gemm (x, w) y = Sum (a, z) }"),
        entry("GemmTransposeFusion", "FuseGemmTranspose, FoldTransposes",
              "(float[2,2] x) => (float[2,2] y) <" + W22 + ", float[2] b = {1,2}> { a = Transpose (x) y = Gemm (a, w, b) }"),
        entry("NotWhereFusion: Where of a Not, exchanged", "SimplifyLogic",
              "(bool[2] q, float[2] x, float[2] z) => (float[2] y) { a = Not (q) y = Where (a, x, z) }"),
        entry("ConvAddFusion, ConvMulFusion", "FuseConvScale",
              "(float[1,2,3,3] x) => (float[1,2,3,3] y) <" + CONV + ", float[2,1,1] m = {2,3}, float[2,1,1] p = {4,5}> { a = Conv (x, w, b) c = Mul (a, m) y = Add (c, p) }"),
        entry("ConvBNFusion", "FuseConvScale",
              "(float[1,2,3,3] x) => (float[1,2,3,3] y) <" + CONV + ", float[2] m = {2,3}, float[2] p = {4,5}> { a = Conv (x, w, b) y = BatchNormalization (a, m, p, b, m) }"),
        entry("PadFusion: Pad in front of Conv and pools", "FusePad",
              "(float[1,2,3,3] x) => (float[1,2,5,5] y) <" + CONV + ", int64[8] p = {0,0,1,1,0,0,1,1}> { a = Pad (x, p) y = Conv (a, w, b) }"),
        entry("MatmulBNFusion: MatMul + BatchNormalization is Gemm", "FuseMatMulScale, FuseMatMulBias",
              "(float[2,2] x) => (float[2,2] y) <" + W22 + ", float[2] m = {2,3}, float[2] p = {4,5}> { a = MatMul (x, w) y = BatchNormalization (a, m, p, p, m) }"),
        entry("LabelEncoderFusion: of a LabelEncoder's result", "none: ai.onnx.ml operators are kept as they are"),
    ],
    "Level 1, transformers": [
        entry("DoubleQDQPairsRemover: Q-DQ-Q-DQ is Q-DQ", "CancelQuantization, where the numbers are equal",
              f"(float[2] x) => (float[2] y) <{DQ}> {{ a = QuantizeLinear (x, s, z) b = DequantizeLinear (a, s, z) c = QuantizeLinear (b, s, z) y = DequantizeLinear (c, s, z) }}"),
        entry("ConstantSharing: equal scalar initializers", "EliminateCommonSubexpressions, of any size"),
        entry("CommonSubexpressionElimination", "EliminateCommonSubexpressions",
              "(float[2] x) => (float[2] y) { a = Sin (x) b = Sin (x) y = Add (a, b) }"),
        entry("ConstantFolding", "FoldConstants, which never makes the file larger",
              "(float[2] x) => (float[2] y) <float[2] c = {1,2}> { a = Sin (c) y = Add (a, x) }"),
        entry("MatMulAddFusion: of matrices; rank 3 with Reshapes", "FuseMatMulBias; of rank 3 only for a run (three nodes in the place of two)",
              "(float[2,2] x) => (float[2,2] y) <" + W22 + ", float[2] b = {1,2}> { a = MatMul (x, w) y = Add (a, b) }"),
        entry("ReshapeFusion: a shape put together of Shape, Gather, Concat", "FoldComputedShapes",
              "(float[N,4,6] x) => (float[N,4,2,3] y) <int64 i = {0}, int64 j = {1}, int64[1] a = {0}, int64[2] r = {2,3}> "
              "{ c = Shape (x) d = Gather (c, i) e = Gather (c, j) f = Unsqueeze (d, a) h = Unsqueeze (e, a) k = Concat <axis = 0> (f, h, r) y = Reshape (x, k) }"),
        entry("FreeDimensionOverride (on request)", "`--dim NAME=N` of cameo optimize"),
        entry("SliceConcatToSpaceToDepthFusion", "FuseSpaceToDepth; the channels' order goes into the weights of a Conv behind it",
              "(float[1,2,4,4] x) => (float[1,2,2,2] y) <float[2,8,1,1] w = {1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16}, int64[2] a = {0,0}, int64[2] b = {0,1}, int64[2] c = {1,0}, int64[2] d = {1,1}, "
              "int64[2] e = {9223372036854775807,9223372036854775807}, int64[2] q = {2,3}, int64[2] t = {2,2}> { h = Slice (x, a, e, q, t) i = Slice (x, c, e, q, t) j = Slice (x, b, e, q, t) k = Slice (x, d, e, q, t) "
              "m = Concat <axis = 1> (h, i, j, k) y = Conv (m, w) }"),
        entry("GeluFusionL1 (opset 20)", "FuseGelu",
              "(float[2,4] x) => (float[2,4] y) <float r = {1.4142135}, float i = {1}, float h = {0.5}> { a = Div (x, r) b = Erf (a) c = Add (b, i) d = Mul (x, c) y = Mul (d, h) }"),
        entry("LayerNormFusionL1", "FuseLayerNormalization",
              "(float[2,4] x) => (float[2,4] y) <int64[1] a = {-1}, float two = {2}, float eps = {1e-5}, float[4] w = {1,2,3,4}, float[4] b = {1,2,3,4}> { m = ReduceMean (x, a) d = Sub (x, m) p = Pow (d, two) v = ReduceMean (p, a) e = Add (v, eps) s = Sqrt (e) n = Div (d, s) k = Mul (n, w) y = Add (k, b) }"),
        entry("QDQPropagation: Q/DQ moved over Reshape, Transpose, MaxPool", "MoveQuantization moves the operator between them instead",
              moved("Transpose <perm = [1,0]> (c)", "[2,3]", "[3,2]")),
        entry("WeightBiasQuantization: float weights of a Q/DQ group", "biases by FuseQuantizedProducts; weights stay what the file says"),
        entry("EnsureUniqueDQForNodeUnit", "not needed: a group may share its DequantizeLinear with others"),
        entry("WhereDummyDq: the number of a Where gets a DequantizeLinear", "FuseQuantizedOperators, for numbers of any two-operand group",
              f"(uint8[2,3] a, bool[2,3] q) => (uint8[2,3] y) <{DQ}, float n = {{1.5}}> {{ c = DequantizeLinear (a, s, z) e = Where (q, c, n) y = QuantizeLinear (e, s, z) }}"),
        entry("TransposeOptimizer: Transposes pushed and cancelled", "CancelTransposes, MergeTransposes, LiftTransposes, FoldTransposes",
              "(float[2,3,4] x) => (float[2,3,4] y) { a = Transpose <perm = [0,2,1]> (x) b = Relu (a) y = Transpose <perm = [0,2,1]> (b) }"),
        entry("InsertCastTransformer, RemoveDuplicateCast, MemcpyTransformer", "none: they serve ONNX Runtime's own kernels and devices"),
        entry("DQMatMulNBitsFusion (on request), GqaValueLayoutTransformer (on request)", "FuseMatMulNBits; the other is a layout of one device's cache"),
    ],
    "Level 2": [
        entry("ClipQuantFusion, ReluQuantFusion", "DropQuantizedClamp",
              "(float[2] x) => (uint8[2] y) <float s = {0.1}, uint8 z = {0}> { a = Relu (x) y = QuantizeLinear (a, s, z) }"),
        entry("QDQS8ToU8: int8 data becomes uint8", "UseUnsignedQuantization"),
        entry("GemmActivationFusion", "FuseMicrosoftGemm",
              "(float[2,2] x) => (float[2,2] y) <" + W22 + ", float[2] b = {1,2}> { a = Gemm (x, w, b) y = Tanh (a) }"),
        entry("MatMulIntegerToFloat, DynamicQuantizeMatMul", "FuseDynamicQuantizeMatMul",
              "(float[2,2] x) => (float[2,2] y) <int8[2,2] w = {1,2,3,4}, float u = {0.5}, int8 o = {0}> { q, a, z = DynamicQuantizeLinear (x) i = MatMulInteger (q, w, z, o) c = Cast <to = 1> (i) m = Mul (a, u) y = Mul (c, m) }"),
        entry("ConvActivationFusion", "FuseMicrosoftConv",
              "(float[1,2,3,3] x) => (float[1,2,3,3] y) <" + CONV + "> { a = Conv (x, w, b) y = Sigmoid (a) }"),
        entry("GeluFusionL2", "FuseGelu, as the standard's Gelu: it has the same kernel"),
        entry("LayerNormFusionL2", "FuseLayerNormalization"),
        entry("SimplifiedLayerNormFusion", "FuseRMSNormalization, as the standard's RMSNormalization",
              "(float[2,4] x) => (float[2,4] y) <int64[1] a = {-1}, float two = {2}, float eps = {1e-5}, float[4] w = {1,2,3,4}> { p = Pow (x, two) v = ReduceMean (p, a) e = Add (v, eps) s = Sqrt (e) n = Div (x, s) y = Mul (w, n) }"),
        entry("AttentionFusion: BERT, DistilBERT, GPT-2, MobileClip", "FuseAttention, of any spelling, as the standard's Attention (docs/attention.md)"),
        entry("EmbedLayerNormFusion", "FuseEmbedLayerNormalization, where the shape is fixed or on request: else SkipLayerNormalization follows when the file is loaded, which is slower",
              "(int64[2,3] ids, int64[2,3] kinds) => (float[2,3,2] y) <float[3,2] w = {1,2,3,4,5,6}, int64[1,3] at = {0,1,2}, float[4,2] p = {1,0,2,0,3,0,4,1}, float[2,2] k = {5,1,6,2}, float[2] s = {1,2}, float[2] b = {3,4}> "
              "{ c = Gather (w, ids) d = Gather (p, at) e = Gather (k, kinds) f = Add (c, d) h = Add (f, e) y = LayerNormalization (h, s, b) }"),
        entry("GatherSliceToSplitFusion", "FormSplits",
              "(float[2,4] x) => (float[2,2] y) <int64[1] a = {0}, int64[1] m = {2}, int64[1] e = {4}, int64[1] i = {1}> { b = Slice (x, a, m, i) c = Slice (x, m, e, i) y = Mul (b, c) }"),
        entry("GatherToSliceFusion: Gather by a Range", "FoldConstants where the Range is settled; none for a computed one", None),
        entry("MatmulTransposeFusion", "FuseMicrosoftMatMul",
              "(float[2,3,4] x, float[2,5,4] z) => (float[2,3,5] y) { a = Transpose <perm = [0,2,1]> (z) y = MatMul (x, a) }"),
        entry("BiasGeluFusion", "FuseMicrosoftGelu",
              "(float[2,4] x) => (float[2,4] y) <float[4] b = {1,2,3,4}> { a = Add (x, b) y = Gelu (a) }"),
        entry("GroupQueryAttentionFusion, GroupQueryAttentionPreNormFusion (CUDA, WebGPU)", "none: on the CPU GroupQueryAttention takes 1.25 to 1.45 times as long as Attention (docs/runtime-operators.md)"),
        entry("SkipLayerNormFusion, BiasSkipLayerNormFusion", "FuseSkipNormalization",
              "(float[1,2,4] x, float[1,2,4] z) => (float[1,2,4] y) <float[4] w = {1,2,3,4}, float[4] b = {1,2,3,4}> { a = Add (x, z) y = LayerNormalization (a, w, b) }"),
        entry("FastGeluFusion: tanh spellings", "FuseGelu; with its bias FuseMicrosoftGelu",
              "(float[2,4] x) => (float[2,4] y) <float c = {0.044715}, float r = {0.7978845608}, float i = {1}, float h = {0.5}, float three = {3}> { a = Pow (x, three) b = Mul (a, c) d = Add (x, b) e = Mul (d, r) t = Tanh (e) o = Add (t, i) m = Mul (x, h) y = Mul (m, o) }"),
        entry("QuickGeluFusion", "FuseMicrosoftGelu",
              "(float[2,4] x) => (float[2,4] y) <float c = {1.702}> { a = Mul (x, c) b = Sigmoid (a) y = Mul (x, b) }"),
        entry("GeluApproximation (on request)", "none: it changes the numbers"),
        entry("BiasSoftmaxFusion, BiasDropoutFusion", "none: ONNX Runtime's CPU provider has no kernel for either"),
        entry("MatMulScaleFusion", "FuseMicrosoftMatMul",
              "(float[2,3] x, float[3,2] z) => (float[2,2] y) <float c = {0.125}> { a = MatMul (x, z) y = Mul (a, c) }"),
        entry("MatMulActivationFusion (DirectML)", "none for that device; FuseEpilogue for a run"),
        entry("Avx2WeightS8ToU8", "none: the kernels' matter; the files keep their weights"),
        entry("MatMulNBitsFusion: a bias behind MatMulNBits", "FuseMatMulNBits writes the product; its bias stays an Add"),
        entry("MatMulNBitsQkvFusion, MatMulNBitsMlpFusion (WebGPU)", "none: ONNX Runtime's CPU provider has no kernel"),
        entry("QDQFinalCleanup: Q-DQ pairs without an operator", "none: they round, so they are part of the numbers; with equal numbers CancelQuantization"),
        entry("GatherElements, Expand, Tile, ... between DQ and Q", "MoveQuantization, also where the DequantizeLinear is read elsewhere",
              moved("Flatten (c)")),
        entry("MaxPool, ReduceMax, ReduceMin, Resize between DQ and Q", "MoveQuantization; Resize of the nearest pixel alone: the others round to integers differently",
              moved("MaxPool <kernel_shape = [2,2]> (c)", "[1,1,3,3]", "[1,1,2,2]")),
        entry("Split between DQ and Q", "none yet: the Split stays float"),
        entry("DQ in front of ArgMax", "MoveQuantization",
              f"(uint8[2,3] a) => (int64[2,1] y) <{DQ}> {{ c = DequantizeLinear (a, s, z) y = ArgMax <axis = 1> (c) }}"),
        entry("QLinearAdd, QLinearMul", "FuseQuantizedOperators", quantized("Add (c, d)")),
        entry("QLinearSigmoid, QLinearLeakyRelu", "FuseQuantizedOperators",
              f"(uint8[2,3] a) => (uint8[2,3] y) <{DQ}, float p = {{0.00390625}}> {{ c = DequantizeLinear (a, s, z) e = Sigmoid (c) y = QuantizeLinear (e, p, z) }}"),
        entry("QLinearSoftmax", "FuseQuantizedOperators, where 1 / scale is a whole number: the kernel rounds it down",
              f"(uint8[2,3] a) => (uint8[2,3] y) <{DQ}, float p = {{0.00390625}}, uint8 n = {{0}}> {{ c = DequantizeLinear (a, t, z) e = Softmax (c) y = QuantizeLinear (e, p, n) }}"),
        entry("QLinearAveragePool, QLinearGlobalAveragePool", "FuseQuantizedOperators",
              f"(uint8[1,2,3,3] a) => (uint8[1,2,1,1] y) <{DQ}> {{ c = DequantizeLinear (a, s, z) e = GlobalAveragePool (c) y = QuantizeLinear (e, t, z) }}"),
        entry("QLinearConcat", "FuseQuantizedOperators", quantized("Concat <axis = 1> (c, d)", result="[2,6]")),
        entry("QLinearWhere", "FuseQuantizedOperators", quantized("Where (q, c, d)", extra=", bool[2,3] q")),
        entry("QLinearConv", "FuseQuantizedProducts",
              f"(uint8[1,2,3,3] a) => (uint8[1,2,3,3] y) <{DQ}, int8[2,2,1,1] w = {{1,2,3,4}}, float[2] ws = {{0.5,1}}, int8[2] wz = {{0,0}}, int32[2] b = {{1,2}}, float[2] bs = {{0.25,0.5}}, int32[2] bz = {{0,0}}> "
              "{ c = DequantizeLinear (a, s, z) d = DequantizeLinear <axis = 0> (w, ws, wz) f = DequantizeLinear <axis = 0> (b, bs, bz) e = Conv (c, d, f) y = QuantizeLinear (e, s, z) }"),
        entry("QLinearMatMul; MatMulIntegerToFloat without QuantizeLinear", "FuseQuantizedProducts",
              f"(uint8[2,2] a) => (uint8[2,2] y) <{DQ}, int8[2,2] w = {{1,2,3,4}}, float ws = {{0.5}}, int8 wz = {{0}}> {{ c = DequantizeLinear (a, s, z) d = DequantizeLinear (w, ws, wz) e = MatMul (c, d) y = QuantizeLinear (e, s, z) }}"),
        entry("QGemm", "FuseQuantizedProducts",
              f"(uint8[2,2] a) => (uint8[2,2] y) <{DQ}, int8[2,2] w = {{1,2,3,4}}, float ws = {{0.5}}, int8 wz = {{0}}, int32[2] b = {{1,2}}, float bs = {{0.25}}, int32 bz = {{0}}> {{ c = DequantizeLinear (a, s, z) d = DequantizeLinear (w, ws, wz) f = DequantizeLinear (b, bs, bz) e = Gemm (c, d, f) y = QuantizeLinear (e, s, z) }}"),
        entry("MatMulNBits of blocked 4-bit weights", "FuseMatMulNBits"),
    ],
    "Levels 3 and 4": [
        entry("NchwcTransformer: blocked layout of Convs and pools", "none in files: layouts are the kernels' matter; MergeProducts leaves Convs of images apart for its sake"),
        entry("NhwcTransformer: channels last for QLinearConv, half precision", "none in files: the same"),
        entry("ConvAddActivationFusion: FusedConv with a sum", "FuseMicrosoftConv at rank 3 and 5; at rank 4 the blocked layout takes the sum in"),
        entry("FuseFp16InitializerToFp32Node: Cast of a half-precision initializer", "FoldConstants, where the file does not grow"),
    ],
}
