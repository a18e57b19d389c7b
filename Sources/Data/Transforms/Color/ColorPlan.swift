import Torch

/// The operations on a batch of samples, laid out so that each is done at once for all that need it, with
/// all numbers that the device needs in two tables.
///
/// The places of ``ColorParameters`` are walked in order, and at each place the kinds of operation; so every
/// sample gets its own operations in its own order.
struct ColorPlan {
  struct Step {
    var kind: ColorOperation.Kind
    /// How many samples take part, and where their numbers are in `rows`.
    var rows: Range<Int>
    /// Where the parameters are in `values`.
    var values: Range<Int>
    var blur: Blur?
  }

  private(set) var steps: [Step] = []
  private(set) var rows: [Int] = []
  private(set) var values: [Float] = []

  init(_ parameters: [ColorParameters], _ shape: ViewShape) {
    let places = parameters.map(\.operations.count).max() ?? 0
    for place in 0..<places {
      for kind in ColorOperation.Kind.allCases {
        let taking = parameters.indices.compactMap { row -> (Int, ColorOperation)? in
          guard place < parameters[row].operations.count, let operation = parameters[row].operations[place],
            operation.kind == kind
          else { return nil }
          return (row, operation)
        }
        if !taking.isEmpty { append(kind, taking, shape) }
      }
    }
  }

  private mutating func append(
    _ kind: ColorOperation.Kind, _ taking: [(row: Int, operation: ColorOperation)], _ shape: ViewShape
  ) {
    let (firstRow, firstValue) = (rows.count, values.count)
    var blur: Blur?
    rows += taking.map(\.row)
    if kind == .blur {
      let sigmas = taking.map { if case .blur(let sigma) = $0.operation { sigma } else { 0.0 } }
      let blurred = Blur(shape, sigma: sigmas.max() ?? 0)
      blurred.append(sigmas, to: &values)
      blur = blurred
    } else {
      values += taking.compactMap(\.operation.factor)
    }
    steps.append(
      Step(kind: kind, rows: firstRow..<rows.count, values: firstValue..<values.count, blur: blur))
  }

  /// Does all of it on `x`, N×3×H×W of whole levels 0...255 in float32, which is overwritten.
  func apply(to x: Tensor) {
    guard !steps.isEmpty else { return }
    let rows = Tensor(self.rows, on: x.device)
    let values = Tensor(self.values, on: x.device)
    for step in steps {
      let parameters = values.narrowed(step.values)
      if step.rows.count == x.shape[0] {
        step.apply(to: x, parameters)
      } else {
        let taking = rows.narrowed(step.rows)
        let part = x.indexSelected(taking)
        step.apply(to: part, parameters)
        x.indexCopy(taking, with: part)
      }
    }
  }
}

extension ColorPlan.Step {
  fileprivate func apply(to x: Tensor, _ parameters: Tensor) {
    // One number a sample is broadcast over its picture.
    let each = [-1, 1, 1, 1]
    switch kind {
    case .brightness: adjustBrightness(x, by: parameters.reshaped(each))
    case .contrast: adjustContrast(x, by: parameters.reshaped(each))
    case .saturation: adjustSaturation(x, by: parameters.reshaped(each))
    case .hue: adjustHue(x, by: parameters.reshaped(each))
    case .grayscale: grayscale(x)
    case .blur: if let blur { gaussianBlur(x, by: blur, parameters) }
    case .solarize: solarize(x)
    }
  }
}

extension ColorOperation {
  /// The number that the tensor operation takes, where it takes one.
  fileprivate var factor: Float? {
    switch self {
    case .brightness(let factor), .contrast(let factor), .saturation(let factor): Float(factor)
    case .hue(let turns): Float(hueShift(turns: turns))
    case .grayscale, .blur, .solarize: nil
    }
  }
}
