import Testing
@testable import Reports

@Suite struct RasterTests {
  /// The sum of coverage over a canvas of 100 x 100 pixels.
  private func area(_ cover: (inout Canvas) -> Void) -> Double {
    var canvas = Canvas(width: 100, height: 100)
    cover(&canvas)
    return canvas.coverage.reduce(0) { $0 + Double($1) }
  }

  /// A round end adds half a disc of the line's width. Coverage that falls off linearly around the edge is exact along
  /// straight edges at any angle on average; at the two ends of a thin line it is off by less than half a pixel.
  @Test(arguments: [0.3, 0.7, 1.0, 1.7, 4.0, 9.0], [(80.0, 0.0), (0.0, 77.5), (60.0, 35.0), (-50.0, 61.3)])
  func coverageOfALineIsItsArea(width: Double, step: (Double, Double)) {
    let start = Position(step.0 < 0 ? 80.3 : 10.3, 12.6)
    let end = Position(start.x + step.0, start.y + step.1)
    let length = (step.0 * step.0 + step.1 * step.1).squareRoot()
    let expected = length * width + .pi * width * width / 4
    let measured = area { $0.cover([start, end], width: width) }
    #expect(abs(measured - expected) < 0.01 * expected + 0.5)
  }

  @Test func coverageOfADotIsItsArea() {
    for radius in [2.0, 3.3, 8.0] {
      let measured = area { $0.cover([Position(50.2, 49.7)], width: 2 * radius) }
      // A linear edge around a circle of radius r adds an area of pi/12 = 0.26 square pixels.
      #expect(abs(measured - .pi * radius * radius) < 0.6)
    }
  }

  @Test func coverageOfAPolygonIsItsArea() {
    let triangle = [Position(10, 10), Position(81, 25), Position(33, 92)]
    // Shoelace formula; sixteen lines a pixel leave less than a thousandth.
    let expected = abs(71.0 * 82 - 23 * 15) / 2
    #expect(abs(area { $0.cover(polygon: triangle) } - expected) < 0.001 * expected)
  }

  @Test func aRectangleBetweenPixelsCoversPartsOfThem() {
    var canvas = Canvas(width: 4, height: 3)
    let box = Rectangle(left: 0.5, top: 0.25, right: 2.25, bottom: 1.5)
    canvas.cover(polygon: box.corners)
    let expected: [Float] = [0.375, 0.75, 0.1875, 0, 0.25, 0.5, 0.125, 0, 0, 0, 0, 0]
    #expect(canvas.coverage.count == expected.count)
    for (measured, expected) in zip(canvas.coverage, expected) { #expect(abs(measured - expected) < 1e-6) }
  }

  @Test func jointsOfATransparentLineAreNotDarker() {
    let line = [Position(10, 50), Position(50, 50), Position(90, 50)]
    let drawing = Drawing(
      width: 100, height: 100, title: "", marks: [.strokes([line], width: 6, Paint(.text, opacity: 0.5))])
    let image = drawing.image(scale: 1)
    #expect(image[50, 50] == image[30, 50])
    // Half way from white (255) to the ink (31).
    #expect(image[30, 50] == (143, 143, 143))
  }

  @Test func scaleMultipliesPixels() {
    let dot = Drawing(
      width: 10, height: 6, title: "", marks: [.dots([Position(5, 3)], .square, radius: 2, Paint(.series(0)))]
    )
    let image = dot.image(scale: 3)
    #expect(image.width == 30)
    #expect(image.height == 18)
    #expect(image[15, 9] == (0x00, 0x72, 0xB2))
    #expect(image[1, 1] == (255, 255, 255))
  }

  @Test func whatLiesOutsideIsLeftOut() {
    let marks: [Mark] = [
      .strokes(
        [[Position(-1e6, -1e6), Position(1e6, 1e6)], [Position(-50, 5), Position(-20, 5)]], width: 2,
        Paint(.text)),
      .fill([Position(-500, -500), Position(-400, -500), Position(-400, 900)], Paint(.text)),
      .label(Label(text: "far away", position: Position(5000, -300), size: 12)),
    ]
    let image = Drawing(width: 20, height: 10, title: "", marks: marks).image(scale: 1)
    #expect(image[5, 5] != (255, 255, 255))
    #expect(image[18, 2] == (255, 255, 255))
  }

  @Test func markersHaveAboutTheSameArea() {
    for marker in Marker.allCases {
      guard let corners = marker.outline(around: Position(50, 50), radius: 10) else { continue }
      let measured = area { $0.cover(polygon: corners) }
      // Of a disc's 314; a triangle looks larger than it is.
      #expect((220...330).contains(measured))
    }
  }
}
