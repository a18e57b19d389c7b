/// The use that a name in a pickle may have. Nothing is ever looked up or called here; the question is what Python would
/// have run.
///
/// Python's own modules reach the system: of them only names of a list pass. In other packages a class makes an object,
/// which is passed over unread; a function may be named, but a call of it is refused.
package enum PickleTrust: Equatable {
  /// Python would run code that weights never need.
  case refused
  /// It may stand as a value: a function, or an element type.
  case named
  /// Objects may be made of it.
  case built

  package init(module: String, name: String) {
    let full = "\(module).\(name)"
    let root = String(module.prefix { $0 != "." })
    if Self.harmless.contains(full) {
      self = .built
    } else if Self.isRefused(root: root, full: full, name: name) {
      self = .refused
    } else {
      self = Self.isClass(name) || name.hasPrefix("__pyx_unpickle_") ? .built : .named
    }
  }

  private static func isRefused(root: String, full: String, name: String) -> Bool {
    if root.hasPrefix("_") && root != "__main__" || pythonModules.contains(root) { return true }
    if runners.contains(where: { full == $0 || full.hasPrefix($0 + ".") }) { return true }
    // Python's machinery behind a class: `Config.__init__.__globals__`.
    return name.split(separator: ".", omittingEmptySubsequences: false).contains { $0.hasPrefix("__") }
      && !name.hasPrefix("__pyx_unpickle_")
  }

  /// By Python's habit: classes begin with a capital letter, `_Config` too. Nested ones have dots.
  private static func isClass(_ name: String) -> Bool {
    name.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { part in
      part.first { $0 != "_" }?.isUppercase == true
    }
  }

  /// Of Python's modules, and functions of torch and numpy, that make plain values.
  private static let harmless: Set<String> = {
    let names = [
      "_codecs": "encode",
      "_io": "BytesIO StringIO", "io": "BytesIO StringIO",
      "array": "array _array_reconstructor",
      "collections": "ChainMap Counter OrderedDict UserDict UserList defaultdict deque",
      "copyreg": "_reconstructor",
      "dataclasses": "_MISSING_TYPE",
      "datetime": "date datetime time timedelta timezone",
      "decimal": "Decimal", "fractions": "Fraction",
      "functools": "partial",
      "logging": "getLogger",
      "operator": "getitem",
      "pathlib": "Path PosixPath PurePath PurePosixPath PureWindowsPath WindowsPath",
      "pathlib._local": "Path PosixPath PurePath PurePosixPath PureWindowsPath WindowsPath",
      "re": "_compile",
      "types": "SimpleNamespace",
      "typing": "Any Callable Dict List Literal Optional Sequence Set Tuple Type Union",
      "uuid": "SafeUUID UUID", "zoneinfo": "ZoneInfo",
      "torch": "device",
      "torch._utils": """
      _rebuild_device_tensor_from_cpu_tensor _rebuild_device_tensor_from_numpy _rebuild_meta_tensor_no_storage \
      _rebuild_nested_tensor _rebuild_qtensor _rebuild_sparse_csr_tensor _rebuild_sparse_tensor \
      _rebuild_wrapper_subclass
      """,
      "torch.serialization": "_get_layout",
      "numpy.core.multiarray": "scalar", "numpy._core.multiarray": "scalar",
      "numpy.random._pickle": "__bit_generator_ctor __generator_ctor __randomstate_ctor",
      "pandas._libs.internals": "_unpickle_block", "pandas.core.indexes.base": "_new_Index",
    ]
    var all = Set(
      names.flatMap { module, list in list.split(separator: " ").map { "\(module).\($0)" } })
    let builtins =
      "Ellipsis NotImplemented bool bytearray bytes complex dict float frozenset int list object range set slice str "
      + "tuple type"
    // The second name is Python 2's.
    for name in builtins.split(separator: " ") { all.formUnion(["builtins.\(name)", "__builtin__.\(name)"]) }
    for name in ["xrange", "unicode", "long", "basestring"] { all.insert("__builtin__.\(name)") }
    return all.union(["copy_reg._reconstructor"])
  }()

  /// Parts of packages that load or run programs, or write files.
  private static let runners = [
    "torch.hub", "torch.jit", "torch.package", "torch.fx", "torch.multiprocessing", "torch.serialization",
    "torch.storage",
    "torch.distributed.rpc", "torch._inductor", "torch._dynamo", "torch.export", "torch.onnx", "torch.ops",
    "torch.classes",
    "torch.profiler", "torch.library", "torch.utils.cpp_extension", "torch.utils.bottleneck",
    "torch.utils.benchmark",
    "torch.utils.file_baton", "torch.utils.collect_env", "numpy.distutils", "numpy.f2py", "numpy.testing",
    "numpy.ctypeslib", "numpy.lib", "numpy.memmap", "pandas.io", "pip", "setuptools", "pkg_resources",
    "wheel",
    "virtualenv", "IPython", "cloudpickle", "dill", "joblib", "numba", "cffi", "psutil", "paramiko", "fabric",
    "requests",
    "urllib3", "fsspec", "sqlalchemy", "tensorflow", "keras", "jax", "h5py", "win32api", "gdb",
  ]

  /// The modules of Python 2.7 to 3.14, but for those that begin with `_`.
  private static let pythonModules = Set(
    """
    ConfigParser Queue SocketServer StringIO abc aifc annotationlib antigravity anydbm argparse array ast asynchat asyncio \
    asyncore atexit audioop base64 bdb binascii binhex bisect builtins bz2 cPickle cProfile cStringIO calendar cgi cgitb \
    chunk cmath cmd code codecs codeop collections colorsys commands compileall compiler compression concurrent \
    configparser contextlib contextvars copy copy_reg copyreg crypt csv ctypes curses dataclasses datetime dbm decimal \
    difflib dis distutils dl doctest dummy_thread email encodings ensurepip enum errno exceptions faulthandler fcntl \
    filecmp fileinput fnmatch fractions ftplib functools gc genericpath getopt getpass gettext glob graphlib grp \
    gzip hashlib heapq hmac html http httplib idlelib ihooks imaplib imghdr imp importlib imputil inspect io ipaddress \
    itertools json keyword lib2to3 linecache locale logging lzma macpath mailbox mailcap marshal math mimetypes mmap \
    modulefinder msilib msvcrt multiprocessing netrc nis nntplib nt ntpath nturl2path numbers opcode operator optparse \
    os ossaudiodev pathlib pdb pickle pickletools pipes pkgutil platform plistlib popen2 poplib posix posixpath \
    pprint profile pstats pty pwd py_compile pyclbr pydoc pydoc_data pyexpat queue quopri random re readline reprlib \
    resource rlcompleter runpy sched secrets select selectors sets shelve shlex shutil signal site smtpd smtplib sndhdr \
    socket socketserver spwd sqlite3 sre_compile sre_constants sre_parse ssl stat statistics string stringprep struct \
    subprocess sunau symtable sys sysconfig syslog tabnanny tarfile telnetlib tempfile termios test textwrap \
    thread threading time timeit tkinter token tokenize tomllib trace traceback tracemalloc tty turtle turtledemo types \
    typing unicodedata unittest urllib urllib2 urlparse uu uuid venv warnings wave weakref webbrowser whichdb winreg \
    winsound wsgiref xdrlib xml xmlrpc xxlimited xxsubtype zipapp zipfile zipimport zlib zoneinfo
    """.split(separator: " ").map(String.init))
}

/// A name in a pickle that stands for none of the machine's own cases.
package struct PickleForeign: Hashable {
  package let module: String
  package let name: String
  /// Never ``PickleTrust/refused``.
  package let trust: PickleTrust

  package var description: String { "\(module).\(name)" }
}
