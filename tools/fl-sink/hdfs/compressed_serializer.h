// A serializer's output through a codec (hdfs.fileType CompressedStream), with the memory of all
// files' compressors together bounded.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <string>

#include "common/hadoop/codec.h"
#include "tools/fl-sink/serializer.h"

namespace fl {

class CompressedSerializer;

/// What the compressors of a sink's open files may hold together. A file has one compressed stream
/// (one gzip member) as long as that is enough; else the least recently used ones end theirs and
/// begin another one later, which readers of all these formats take for one. Flume begins another
/// one with every batch.
class CompressorBudget {
 public:
  explicit CompressorBudget(std::size_t bytes) : bytes_(bytes) {}
  /// Bytes in use; at most one compressor more than given to the constructor.
  std::size_t used() const { return used_; }

 private:
  friend class CompressedSerializer;
  struct Holder {
    CompressedSerializer* file = nullptr;
    std::size_t memory = 0;
  };
  using Place = std::list<Holder>::iterator;

  /// The file's compressor now holds `memory`: others make room.
  void used_by(CompressedSerializer& file, std::size_t memory);
  void forget(CompressedSerializer& file);

  const std::size_t bytes_;
  std::size_t used_ = 0;
  bool is_tight_ = false;     // somebody had to make room
  std::list<Holder> by_use_;  // least recently used first
};

class CompressedSerializer final : public Serializer {
 public:
  /// `level` 0: the codec's standard. `budget` outlives it.
  CompressedSerializer(std::unique_ptr<Serializer> inner, const HadoopCodec& codec, int level,
                       CompressorBudget& budget);
  CompressedSerializer(const CompressedSerializer&) = delete;
  CompressedSerializer& operator=(const CompressedSerializer&) = delete;
  ~CompressedSerializer() override { budget_.forget(*this); }

  void begin(std::string&) override { inner_->begin(raw_); }
  void append(std::string& out, const Event& event) override;
  void flush(std::string& out) override;
  void end(std::string& out) override;
  std::size_t pending() const override {
    return inner_->pending() + raw_.capacity() + compressed_.capacity();
  }

 private:
  friend class CompressorBudget;
  void compress(std::string& out);
  /// Ends the stream and gives the compressor's memory back.
  void release();

  const std::unique_ptr<Serializer> inner_;
  const HadoopCodec& codec_;
  const int level_;
  CompressorBudget& budget_;
  CompressorBudget::Place place_;
  std::unique_ptr<StreamCompressor> compressor_;  // null: no stream is open
  std::string raw_;
  std::string compressed_;  // the end of a stream that made room
};

}  // namespace fl
