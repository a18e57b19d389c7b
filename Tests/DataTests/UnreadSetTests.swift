import Foundation
import Testing
@testable import Data

/// Sets that are recognised and not read: each message names the set and the form that is read.
@Suite struct UnreadSets {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test func databasesAndRecordsAreNamed() throws {
    try folder.write("lmdb/data.mdb")
    try folder.write("lmdb/lock.mdb")
    #expect(
      folder.message("/lmdb")
        == "F/lmdb is a database of LMDB, which is not read; write its images once as files in class folders, or as tar "
        + "shards with webdataset")
    try folder.write("hf/dataset_info.json")
    try folder.write("hf/data-00000-of-00001.arrow")
    #expect(
      folder.message("/hf")
        == "F/hf is a data set that Hugging Face's save_to_disk wrote (Arrow), which is not read; write it as Parquet: "
        + "datasets.load_from_disk(FOLDER).to_parquet(\"train.parquet\")")
    try folder.write("a.h5")
    #expect(
      folder.message("/a.h5")
        == "F/a.h5 is an HDF5 file, which is not read; write its images once as files, or as numpy.savez(FILE, "
        + "train_images=..., train_labels=...)")
    for name in ["x.tfrecord", "x.rec", "x.beton", "x.jsonl", "x.7z", "x.pkl", "x.npy"] {
      try folder.write("other/\(name)")
      let message = folder.message("/other/\(name)")
      #expect(message.hasPrefix("F/other/\(name) is a") && !message.contains("holds no"), "\(message)")
      try FileManager.default.removeItem(atPath: folder.path + "/other/\(name)")
    }
    #expect(folder.message("/none.h5") == "F/none.h5 does not exist; check the path")
  }

  @Test func aFolderAroundTheSetNamesIt() throws {
    try folder.write("cifar-10-batches-py/data_batch_1", Data([1]))
    #expect(folder.message() == "F is not the data set itself; give F/cifar-10-batches-py")
  }

  @Test func aFolderOfSetsNamesThem() throws {
    try folder.write("a/pathmnist.npz")
    #expect(folder.message("/a") == "F/a holds pathmnist.npz; give a file itself, as F/a/pathmnist.npz")
    try folder.write("a/photos.zip")
    #expect(
      folder.message("/a")
        == "F/a holds 2 files such as pathmnist.npz; give a file itself, as F/a/pathmnist.npz")
    try folder.write("b/digitStruct.mat")
    try folder.write("b/notes.txt")
    #expect(
      folder.message("/b")
        == "F/b is SVHN with whole house numbers, whose labels are not read; take its cropped digits (train_32x32.mat), or "
        + "list the images in a .txt")
    try folder.write("c/ILSVRC2012_validation_ground_truth.txt")
    #expect(folder.message("/c").hasSuffix("@FOLDER"))
  }
}
