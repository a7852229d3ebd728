/// Signatures outside the onnx package (com.microsoft), written by hand in the line format of `SchemaText`.
///
/// Begin a domain with its D line and give each operator an O line with its parameters; a type list may stand
/// in the line itself, so no T lines are needed:
///
///     D com.microsoft 1
///     O FastGelu 1 1 2 1 1
///     i X T
///     i? bias T
///     o Y T
///     c T tensor(*):float,float16,bfloat16
///
/// A domain stands in one table only. A line that does not parse ends the process at the first use: the tests
/// parse every record of both tables.
let contribSchemaTable: StaticString = #"""
  # com.microsoft: none yet
  D ai.cameo 1
  O FusedConv 1 2 4 1 1
  a activation string
  a activation_params floats
  a auto_pad string=NOTSET
  a dilations ints
  a group int=1
  a kernel_shape ints
  a pads ints
  a strides ints
  i X T
  i W T
  i? B T
  i? Z T
  o Y T
  c T tensor(*):float,float16,bfloat16,double
  O FusedMatMul 1 2 3 1 1
  a activation string
  a activation_params floats
  a alpha float=1
  a transA int=0
  a transB int=0
  i A T
  i B T
  i? bias T
  o Y T
  c T tensor(*):float,float16,bfloat16,double
  """#
