import GraphIR
import Operators
import Tensors

/// Types that shape inference adds to a graph for a while, because an upgrade or a lowering depends on a rank or an element
/// type that the file does not state. What inference cannot tell stays unknown; its complaints are not errors here.
struct TypeCompletion {
  private var previous: [(value: ValueID, type: ValueType?)] = []

  init(completing graph: inout Graph, functions: [Function]) {
    var options = ShapeInference.Options()
    options.isLenient = true
    let inference = ShapeInference(graph, functions: functions, options: options)
    guard (try? inference.run()) != nil else { return }
    let facts = inference.facts
    inference.release()
    for id in graph.allValues where !graph[id].isConstant {
      let index = Int(id.index)
      guard graph[id].type?.shape == nil || graph[id].type?.dataType == nil, index < facts.count,
        let type = facts[index].type,
        type != graph[id].type
      else { continue }
      previous.append((id, graph[id].type))
      graph.setType(type, of: id)
    }
  }

  var isEmpty: Bool { previous.isEmpty }

  /// Puts the stated types back.
  func withdraw(from graph: inout Graph) {
    for (value, type) in previous where Int(value.index) < graph.valueCapacity && graph[value].isAlive {
      graph.setType(type, of: value)
    }
  }
}
