import Files

extension SegmentationDataset {
  /// The names of the classes of a folder of masks: those of the `classes.txt` in it or beside it; nil without one.
  ///
  /// - Throws: ``DatasetError`` for a file that contradicts itself.
  package static func classNames(ofMasks folder: String) throws(DatasetError) -> [String]? {
    let folder = folder.withoutSlash
    return try ClassList.find(in: [folder, folder.parentFolder])?.names
  }
}
