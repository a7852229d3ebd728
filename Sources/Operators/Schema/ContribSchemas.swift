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
  """#
