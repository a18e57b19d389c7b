import Testing
@testable import Images

@Suite struct ContactSheetTests {
  @Test func picturesStandInRowsWithABorder() {
    let red = RGBImage(width: 2, height: 1, pixels: [255, 0, 0, 250, 0, 0])
    let blue = RGBImage(width: 1, height: 2, pixels: [0, 0, 255, 0, 0, 250])
    var rows = ContactSheet(border: 1, magnification: 2, background: 9)
    rows.rows = [[.init(red), .init(blue)], [.init(blue)]]
    let sheet = rows.image
    // Cells of 4 x 4 with a border of 1 around each.
    #expect((sheet.width, sheet.height) == (11, 11))
    #expect(sheet[0, 0] == (9, 9, 9))
    #expect(sheet[1, 1] == (255, 0, 0) && sheet[2, 2] == (255, 0, 0) && sheet[3, 1] == (250, 0, 0))
    #expect(sheet[1, 3] == (9, 9, 9))
    #expect(sheet[6, 1] == (0, 0, 255) && sheet[7, 4] == (0, 0, 250) && sheet[8, 1] == (9, 9, 9))
    #expect(sheet[1, 6] == (0, 0, 255))
    #expect(sheet[6, 6] == (9, 9, 9))
  }

  @Test func aFrameOfTwoPixelsIsMagnifiedWithItsPicture() {
    var rows = ContactSheet(border: 1, magnification: 2, background: 9)
    rows.rows = [[.init(RGBImage(width: 1, height: 1, pixels: [1, 2, 3]), .sameClass)]]
    let sheet = rows.image
    #expect((sheet.width, sheet.height) == (12, 12))
    #expect(sheet[0, 0] == (9, 9, 9) && sheet[1, 1] == (40, 160, 80) && sheet[4, 10] == (40, 160, 80))
    #expect(sheet[5, 5] == (1, 2, 3) && sheet[6, 6] == (1, 2, 3) && sheet[7, 6] == (40, 160, 80))
  }
}
