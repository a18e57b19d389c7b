import Images

/// Which samples make which batch, and how each becomes bytes. A loader's result depends on nothing else.
package struct BatchPlan: Sendable {
  package enum Pass: Sendable {
    /// Epoch after epoch, one random view a transform.
    case training(EpochOrders, [Transform])
    /// Once through in order, one view for evaluation, the last batch smaller.
    case evaluation(batchSize: Int, EvaluationView)
  }

  package let dataset: Dataset
  package let pass: Pass
  /// Of each view of a sample.
  package let shapes: [ViewShape]
  /// The first batch, counted from the beginning of epoch 0.
  package let first: Int
  /// The batch to stop before; nil never stops.
  package let end: Int?
  private let reader: SampleReader

  package init(dataset: Dataset, pass: Pass, first: Int, end: Int?, retries: ShardRetries = ShardRetries()) {
    (self.dataset, self.pass, self.first, self.end) = (dataset, pass, first, end)
    switch pass {
    case .training(let orders, let transforms):
      shapes = transforms.map(\.shape)
      let sampler = orders.sampler
      let perEpoch = sampler.batchesPerEpoch
      reader = SampleReader(dataset, retries: retries) {
        orders.shards($0)
      } wanted: { epoch in
        let start = epoch == first / perEpoch ? first % perEpoch : 0
        let stop = end.map { min($0 - epoch * perEpoch, perEpoch) } ?? perEpoch
        return sampler.wanted(start..<stop)
      }
    case .evaluation(_, let view):
      shapes = [ViewShape(side: view.size)]
      reader = SampleReader(inOrder: dataset, retries: retries)
    }
  }

  /// Ends every wait for a file.
  package func cancel() { reader.cancel() }

  /// Shards that broke since the last call, a sentence each.
  package func takeWarnings() -> [String] { reader.takeWarnings() }

  /// The number of ranks that share the images.
  var ranks: Int {
    switch pass {
    case .training(let orders, _): orders.sampler.batchSize / orders.sampler.rowCount
    case .evaluation: 1
    }
  }

  package var batchSize: Int {
    switch pass {
    case .training(let orders, _): orders.sampler.rowCount
    case .evaluation(let batchSize, _): batchSize
    }
  }

  /// Epoch and place in it.
  package func position(_ batch: Int) -> (epoch: Int, index: Int) {
    switch pass {
    case .training(let orders, _):
      let perEpoch = orders.sampler.batchesPerEpoch
      return (batch / perEpoch, batch % perEpoch)
    case .evaluation: return (0, batch)
    }
  }

  /// Where a row's sample stands in its epoch.
  private func place(_ index: Int, _ row: Int) -> Int {
    switch pass {
    case .training(let orders, _): orders.sampler.positions(ofBatch: index)[row]
    case .evaluation(let batchSize, _): index * batchSize + row
    }
  }

  /// The samples of a batch.
  package func samples(_ batch: Int) -> [Int] {
    let (epoch, index) = position(batch)
    switch pass {
    case .training(let orders, _): return orders.samples(epoch: epoch, batch: index)
    case .evaluation(let batchSize, _):
      return Array(index * batchSize..<min((index + 1) * batchSize, dataset.count))
    }
  }

  package func rowCount(_ batch: Int) -> Int {
    switch pass {
    case .training: batchSize
    case .evaluation(let batchSize, _): min(batchSize, dataset.count - batch * batchSize)
    }
  }

  /// The result for a row.
  package struct Outcome {
    /// The sample whose picture was written; nil if none could be.
    package var shown: Int?
    package var bad: BadFile?
  }

  /// Decodes once and writes one row a view. A sample that cannot be read is replaced, in training, by another that
  /// follows from the seed, the epoch and the sample alone.
  package func write(
    _ sample: Int, batch: Int, row: Int, to rows: [UnsafeMutableRawBufferPointer], using scratch: ViewScratch
  ) throws -> Outcome {
    let (epoch, index) = position(batch)
    var name: String?  // known only now where the shards are not listed
    func show(_ shown: Int) throws {
      let file = { () -> UnsafeRawBufferPointer? in
        guard shown == sample else { return try reader.substitute(shown, using: scratch.decode) }
        let file = try reader.file(sample, epoch: epoch, position: place(index, row), using: scratch.decode)
        name = file?.name
        return file?.bytes
      }
      switch pass {
      case .training(let orders, let transforms):
        let draw = Draw(seed: orders.sampler.seed, epoch: epoch, sample: sample)
        // One decode for all views: of the part that any of them shows.
        try dataset.withPixels(shown, of: file, using: scratch.decode) { width, height in
          scratch.draw(transforms, draw, width, height)
        } _: { pixels in
          try scratch.write(pixels, transforms, to: rows)
        }
      case .evaluation(_, let view):
        try dataset.withPixels(shown, of: file, using: scratch.decode, region: evaluationRegion) {
          try $0.writeForEvaluation(view, to: rows[0], using: scratch)
        }
      }
    }
    do {
      try show(sample)
      return Outcome(shown: sample)
    } catch  where isFileToBlame(error) {
      let image = BadFile(sample: sample, of: dataset, member: name, error)
      guard case .training(let orders, _) = pass else { return Outcome(bad: image) }
      let bad = BadFile(shardOf: sample, in: dataset, error) ?? image
      for other in dataset.substitutes(for: sample, seed: orders.sampler.seed, epoch: epoch) {
        do {
          try show(other)
          return Outcome(shown: other, bad: bad)
        } catch  where isFileToBlame(error) { continue }
      }
      throw LoaderError.noSubstitute(bad)
    }
  }
}

/// The inputs of the random draws of a row.
package struct Draw {
  package var seed: UInt64
  package var epoch: Int
  package var sample: Int

  package init(seed: UInt64, epoch: Int, sample: Int) {
    (self.seed, self.epoch, self.sample) = (seed, epoch, sample)
  }
}

extension ViewScratch {
  /// Draws the views' geometries, and returns the part of the image that they show.
  package func draw(_ transforms: [Transform], _ draw: Draw, _ width: Int, _ height: Int) -> PixelRegion {
    geometries.removeAll(keepingCapacity: true)
    operations.removeAll(keepingCapacity: true)
    for (view, transform) in transforms.enumerated() {
      geometries.append(
        transform.geometry(
          seed: draw.seed, epoch: draw.epoch, sample: draw.sample, view: view, width: width, height: height))
      operations.append(
        transform.pixelOperations(seed: draw.seed, epoch: draw.epoch, sample: draw.sample, view: view))
    }
    return geometries.dropFirst().reduce(geometries[0].box) { $0.union($1.box) }
  }

  /// Writes the views that were drawn, one a row.
  package func write(
    _ pixels: borrowing DecodedPixels, _ transforms: [Transform], to rows: [UnsafeMutableRawBufferPointer]
  ) throws {
    precondition(
      rows.count == geometries.count && transforms.count == geometries.count,
      "\(rows.count) rows of \(transforms.count) transforms for \(geometries.count) views")
    for (view, row) in rows.enumerated() {
      let transform = transforms[view]
      try pixels.write(
        geometries[view], transform.shape, by: transform.interpolation, to: row, using: self)
      guard !operations[view].isEmpty else { continue }
      let picture = PixelBuffer(row, height: transform.shape.height, width: transform.shape.width)
      for operation in operations[view] {
        operation.apply(to: picture, fill: transform.fill, filter: transform.interpolation)
      }
    }
  }
}
