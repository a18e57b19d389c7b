import Files
import Images

/// Sets that are recognised but not read as they are: what they are, and the form that is read.
enum UnreadSet {
  /// Nil where nothing is recognised.
  ///
  /// - Parameters:
  ///   - path: A path that no format has recognised.
  ///   - files: In the folder, without hidden ones; empty for a file.
  ///   - folders: In the folder.
  static func hint(_ path: String, isFolder: Bool, files: [String], folders: [String]) -> String? {
    guard isFolder else { return kind(ofFile: path).map { "\(path) is \($0)" } }
    if files.contains("data.mdb") { return "\(path) is \(lmdb)" }
    if files.contains("dataset_dict.json") {
      return "\(path) holds the parts of \(arrow), each by itself"
    }
    if files.contains("dataset_info.json"), files.contains(where: { $0.hasSuffix(".arrow") }) {
      return "\(path) is \(arrow)"
    }
    // A folder around the one that is meant.
    let inside = [
      "cifar-10-batches-py", "cifar-10-batches-bin", "cifar-100-python", "cifar-100-binary", "stl10_binary",
    ]
    if let folder = inside.first(where: folders.contains) {
      return "\(path) is not the data set itself; give \(joined(path, folder))"
    }
    if files.contains(where: { $0.hasPrefix("ILSVRC2012_validation_ground_truth") }) {
      return "\(path) holds the labels of ImageNet's validation images without the images; give both as "
        + "\(joined(path, "ILSVRC2012_validation_ground_truth.txt"))@FOLDER"
    }
    if let file = files.first(where: isReadAlone) {
      let count = files.count(where: isReadAlone)
      return
        "\(path) holds \(count == 1 ? file : "\(grouped(count)) files such as \(file)"); give a file itself, as "
        + joined(path, file)
    }
    if files.contains("digitStruct.mat") {
      return "\(path) is SVHN with whole house numbers, whose labels are not read; take its cropped digits "
        + "(train_32x32.mat), or list the images in a .txt"
    }
    guard let file = files.first(where: { kind(ofFile: $0) != nil }) else { return nil }
    return kind(ofFile: file).map { "\(joined(path, file)) is \($0)" }
  }

  /// Whether a file is a data set of its own.
  static func isReadAlone(_ name: String) -> Bool {
    [".npz", ".zip", ".tar", ".tar.gz", ".tgz", ".tar.zst"].contains { name.lowercased().hasSuffix($0) }
  }

  private static let lmdb =
    "a database of LMDB, which is not read; write its images once as files in class folders, or as tar shards with "
    + "webdataset"
  private static let arrow =
    "a data set that Hugging Face's save_to_disk wrote (Arrow), which is not read; write it as Parquet: "
    + "datasets.load_from_disk(FOLDER).to_parquet(\"train.parquet\")"

  private static let kinds: [(endings: [String], what: String)] = [
    ([".mdb", ".lmdb"], lmdb),
    ([".arrow"], arrow),
    (
      [".h5", ".hdf5"],
      "an HDF5 file, which is not read; write its images once as files, or as numpy.savez(FILE, train_images=..., "
        + "train_labels=...)"
    ),
    (
      [".npy"],
      "a single numpy array, which has no labels; save it as numpy.savez(FILE, train_images=..., train_labels=...)"
    ),
    (
      [".tfrecord", ".tfrecords"],
      "a file of TensorFlow's records, which is not read; write its images once as files in class folders, or as tar "
        + "shards with webdataset"
    ),
    (
      [".rec"],
      "a file of MXNet's records, which is not read; write its images once as files in class folders, or as tar shards "
        + "with webdataset"
    ),
    ([".beton"], "a file of FFCV, which is not read; give the images that it was made of"),
    (
      [".jsonl"],
      "a list of JSON lines, which is not read; write a .csv with the columns path and label"
    ),
    (
      [".7z", ".rar", ".tar.xz", ".tar.bz2", ".txz", ".tbz2"],
      "an archive of a kind that is not read; unpack it once"
    ),
    (
      [".pkl", ".pickle"],
      "a pickle; of these only CIFAR's python version is read, by its folder (cifar-10-batches-py)"
    ),
    ([".mat"], "a MATLAB file; of these only SVHN's cropped digits are read (train_32x32.mat)"),
  ]

  private static func kind(ofFile path: String) -> String? {
    let name = path.lastPathPart.lowercased()
    return kinds.first { $0.endings.contains { name.hasSuffix($0) } }?.what
  }
}
