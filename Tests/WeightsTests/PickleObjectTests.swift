import Foundation
import TestSupport
import Testing
import Torch
@testable import Files
@testable import Weights

/// Checkpoints with objects that are no weights, and tensors of rare kinds (Fixtures/torch_objects.py).
@Suite struct PickleObjectTests {
  /// The classes and functions in the files, in the order in which they stand there. What stands inside of such an object
  /// is not looked at.
  private static let unread = [
    "collections.Counter", "collections.deque", "__builtin__.set", "__builtin__.frozenset",
    "__builtin__.complex",
    "__builtin__.bytearray", "__builtin__.xrange", "__builtin__.slice", "torch.device", "torch.float32",
    "torch.serialization._get_layout", "pathlib.PosixPath", "numpy._core.multiarray.scalar",
    "numpy.ndarray of U2",
    "numpy.ndarray of M8", "numpy.ndarray of >f4", "numpy.ndarray of O8",
    "numpy.random._pickle.__generator_ctor",
    "numpy.random._pickle.__randomstate_ctor", "datetime.datetime", "datetime.date", "datetime.timedelta",
    "decimal.Decimal", "fractions.Fraction", "uuid.UUID", "omegaconf.dictconfig.DictConfig", "__main__.Phase",
    "__main__.Settings", "__main__.Words", "__main__.Table", "__main__.State", "__main__.Point",
    "functools.partial",
    "__main__.collate", "logging.getLogger", "torch.nn.modules.linear.Linear",
  ]

  @Test(arguments: ["objects.pth", "objects-legacy.pth"])
  func objectsThatAreNoWeightsArePassedOverAndNamed(name: String) throws {
    let file = try WeightsFile(fixture(name))
    #expect(file.leftUnread == Self.unread)
    // Containers that are read: the tensor itself, numpy's random state, and the optimizer's.
    #expect(
      file.entries.map(\.name) == [
        "weight", "random.1", "optimizer.state.0.momentum_buffer", "optimizer.state.1.momentum_buffer",
      ])
    #expect(try file.tensor("weight").array() == [0, 1, 2] as [Float])
    #expect(file.entries[1].dtype == .int64 && file.entries[1].shape == [624])
  }

  @Test func tensorsOfRareKindsAreRead() throws {
    let file = try WeightsFile(fixture("kinds.pth"))
    let values: [String: [Double]] = [
      "buffer": [0, 1], "attributed": [0, 1], "parameter with attribute": [0, 1], "negative": [-2, 4],
      "uint16": [0, 65535], "uint32": [0, 0xFFFF_FFFF], "uint64": [0, 0x1p63], "float8_e4m3fn": [0.5, -448],
      "float8_e5m2": [0.5, -57344], "float8_e4m3fnuz": [0.5, -240], "float8_e5m2fnuz": [0.5, -57344],
    ]
    #expect(Set(file.entries.map(\.name)) == Set(values.keys).union(["complex64"]))
    for (name, wanted) in values {
      #expect(try file.tensor(name).array(of: Double.self) == wanted, "\(name)")
    }
    #expect(file.leftUnread == ["torch._utils._rebuild_sparse_tensor", "torch._utils._rebuild_qtensor"])
    #expect(try #require(file.entries.first { $0.name == "complex64" }).dtype == nil)
    let error = try failure(InterchangeError.self) { _ = try file.tensor("complex64") }
    #expect(error.problem == .tensor("has the element type C64, which is not read", name: "complex64"))
  }

  @Test(arguments: [
    (ElementType.float8E4M3, "float8_e4m3fn"), (.float8E5M2, "float8_e5m2"),
    (.float8E4M3FNUZ, "float8_e4m3fnuz"),
    (.float8E5M2FNUZ, "float8_e5m2fnuz"), (.float8E8M0, "float8_e8m0fnu"),
  ])
  func numbersOf8BitsAreThoseOfPyTorch(type: ElementType, name: String) throws {
    let tables = try JSONDecoder().decode(
      [String: [Int32]].self, from: Data(bytes(at: fixture("float8.json"))))
    let ours = Float8.table(of: type)
    let theirs = try #require(tables[name]).map { Float(bitPattern: UInt32(bitPattern: $0)) }
    #expect(ours.count == 256 && theirs.count == 256)
    for (a, b) in zip(ours, theirs) {
      #expect(a.isNaN ? b.isNaN : a.bitPattern == b.bitPattern || (a == 0 && b == 0), "\(a) \(b)")
    }
  }

  // MARK: Trust

  /// Named in a pickle, with a call (R) or an object of it (0x81).
  private func outcome(_ module: String, _ name: String, _ operation: UInt8?) throws -> InterchangeError
    .Problem?
  {
    var pickle = Pickle()
    pickle.operations("}")
    pickle.text("a")
    pickle.global(module, name)
    if let operation { pickle.raw([0x29, operation]) }
    pickle.operations("s.")
    var problem: InterchangeError.Problem?
    try withFile(pickle.bytes) { path in
      do {
        let leftUnread = try WeightsFile(path).leftUnread
        #expect(leftUnread == ["\(module).\(name)"])
      } catch let error as InterchangeError {
        problem = error.problem
      }
    }
    return problem
  }

  private static let call = UInt8(ascii: "R")
  private static let make: UInt8 = 0x81

  @Test(arguments: [
    ("os", "system"), ("subprocess", "Popen"), ("builtins", "eval"), ("__builtin__", "execfile"),
    ("sys", "exit"),
    ("zipfile", "ZipFile"), ("logging", "FileHandler"), ("multiprocessing.context", "Process"),
    ("types", "CodeType"),
    ("ctypes", "CDLL"), ("pickle", "loads"), ("_pickle", "loads"), ("shutil", "rmtree"),
    ("asyncio", "Server"),
    ("torch.hub", "load"), ("torch.jit", "CompilationUnit"), ("torch.jit._script", "RecursiveScriptModule"),
    ("torch.package", "PackageImporter"), ("torch.utils.cpp_extension", "load"), ("numpy.memmap", "Memmap"),
    ("numpy.testing._private.utils", "runstring"), ("cloudpickle.cloudpickle", "_make_function"),
    ("dill._dill", "_create_function"), ("mine", "Config.__init__"), ("mine", "__import__"),
    ("functools", "reduce"),
    ("operator", "attrgetter"), ("collections", "namedtuple"),
  ])
  func aNameThroughWhichPythonRunsCodeIsRefusedHoweverItIsUsed(module: String, name: String) throws {
    for operation in [nil, Self.call, Self.make] {
      guard case .forbidden("\(module).\(name)", _) = try outcome(module, name, operation) else {
        Issue.record("\(module).\(name)")
        continue
      }
    }
  }

  @Test(arguments: [
    ("mine.config", "Config"), ("__main__", "_Settings"), ("lightning.fabric.utilities", "Outer.Inner"),
    ("omegaconf.dictconfig", "DictConfig"), ("torch.nn.modules.conv", "Conv2d"), ("datetime", "datetime"),
    ("numpy.random.bit_generator", "__pyx_unpickle_SeedSequence"),
  ])
  func aClassOfAnotherPackageMakesAnObjectThatIsPassedOver(module: String, name: String) throws {
    for operation in [nil, Self.call, Self.make] { #expect(try outcome(module, name, operation) == nil) }
  }

  /// A function of another package may be a value, as a hyper-parameter is; only a call of it would run it.
  @Test func aFunctionMayBeNamedButNotCalled() throws {
    for (module, name) in [("mine", "collate"), ("torch.nn.functional", "relu"), ("mine", "Config.load")] {
      #expect(try outcome(module, name, nil) == nil)
      guard case .forbidden("\(module).\(name)", _) = try outcome(module, name, Self.call) else {
        Issue.record("\(module).\(name)")
        continue
      }
    }
  }

  /// Names made of the same two texts in ever other pairs would take memory without a bound.
  @Test func namesOfClassesTakeBoundedMemory() throws {
    var pickle = Pickle(version: 4)
    for index in 0..<20 {
      pickle.text("Class\(index)")
      pickle.raw([0x94, 0x30])
    }
    for module in 0..<20 {
      for name in 0..<20 { pickle.raw([0x68, UInt8(module), 0x68, UInt8(name), 0x93, 0x30]) }
    }
    pickle.operations("N.")
    var limits = PickleMachine.Limits()
    limits.foreign = 4096
    var machine = PickleMachine(PickleSource(pickle.bytes, path: "x"), limits: limits)
    let error = try failure(InterchangeError.self) { _ = try machine.run() }
    #expect(error.problem == .overLimit("more than 4096 bytes of names of classes"))
    limits.foreign = 8192
    var patient = PickleMachine(PickleSource(pickle.bytes, path: "x"), limits: limits)
    _ = try patient.run()
    #expect(patient.heap.foreign.count == 400)
  }

  /// Python 2 wrote an OrderedDict as a call with a list of pairs.
  @Test func anOrderedDictOfPython2IsRead() throws {
    var pickle = Pickle()
    pickle.global("collections", "OrderedDict")
    pickle.operations("(](")
    pickle.text("a")
    pickle.tensor(shape: [2], strides: [1], offset: 0, storage: 2)
    pickle.raw([0x86])
    pickle.operations("etR.")
    let bytes = try zipFile([
      ("x/data.pkl", pickle.bytes), ("x/data/0", [UInt8](repeating: 0, count: 8)), ("x/version", [0x33]),
    ])
    try withFile(bytes) { path in
      let file = try WeightsFile(path)
      #expect(file.entries == [.init(name: "a", dtype: .float32, shape: [2])])
    }
  }

  @Test func tensorsOfPickleDumpAreSaidSo() throws {
    var pickle = Pickle()
    pickle.global("torch.storage", "_load_from_bytes")
    pickle.raw([0x43, 1, 0, 0x85])
    pickle.operations("R.")
    #expect(
      try refusal(of: pickle.bytes)
        == .unsupported("its tensors were pickled by pickle.dump. Save its state_dict with torch.save."))
  }
}
