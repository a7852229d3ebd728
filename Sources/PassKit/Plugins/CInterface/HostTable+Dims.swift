internal import CPlugin
import Operators
import Tensors

extension HostTable {
  static func setDims(_ table: inout cameo_host) {
    table.dim_integer = { call, value, dim in
      PluginCall.perform(call) { call in try call.store(call.handle(Dim(Int(value))), dim) }
    }
    table.dim_symbol = { call, name, dim in
      PluginCall.perform(call) { call in
        let name = try call.string(name)
        if name.isEmpty { throw PluginFault.wrong("a dimension's name is empty") }
        try call.store(call.handle(.symbol(name)), dim)
      }
    }
    table.dim_value = { call, dim, value in
      PluginCall.perform(call) { call in
        guard let known = try call.dim(dim).value else { throw PluginFault.notFound }
        try call.store(Int64(known), value)
      }
    }
    table.dim_text = { call, dim, text in
      PluginCall.perform(call) { call in try call.store(call.text(try call.dim(dim).description), text) }
    }
    table.dim_equal = { call, a, b, equal in
      PluginCall.perform(call) { call in try call.store(try call.dim(a) == (try call.dim(b)) ? 1 : 0, equal) }
    }
    table.dim_add = { call, a, b, out in HostTable.combine(call, a, b, out) { $0 + $1 } }
    table.dim_subtract = { call, a, b, out in HostTable.combine(call, a, b, out) { $0 - $1 } }
    table.dim_multiply = { call, a, b, out in HostTable.combine(call, a, b, out) { $0 * $1 } }
    table.dim_divide = { call, a, b, out in
      HostTable.combine(call, a, b, out) { dividend, divisor in
        if divisor.value == 0 { throw PluginFault.wrong("\(dividend) is divided by 0") }
        return dividend.floorDiv(divisor)
      }
    }
    table.dim_max = { call, a, b, out in HostTable.combine(call, a, b, out) { Dim.max($0, $1) } }
    table.dim_min = { call, a, b, out in HostTable.combine(call, a, b, out) { Dim.min($0, $1) } }
  }

  private static func combine(
    _ call: UInt64, _ a: UInt32, _ b: UInt32, _ out: UnsafeMutablePointer<UInt32>?, _ body: (Dim, Dim) throws -> Dim
  ) -> Int32 {
    PluginCall.perform(call) { call in
      try call.store(call.handle(try body(try call.dim(a), try call.dim(b))), out)
    }
  }
}
