#include "tools/fl-sink/hdfs/compressed_serializer.h"

#include <utility>

namespace fl {
namespace {

// So much goes to the compressor at a time: enough that the call costs nothing.
constexpr std::size_t kStep = 32 << 10;
// The same when compressors are scarce: each time may mean a stream of its own.
constexpr std::size_t kTightStep = 256 << 10;

}  // namespace

void CompressorBudget::used_by(CompressedSerializer& file, std::size_t memory) {
  if (file.place_ == by_use_.end()) {
    file.place_ = by_use_.insert(by_use_.end(), {&file, 0});
  } else {
    by_use_.splice(by_use_.end(), by_use_, file.place_);
  }
  used_ += memory - file.place_->memory;
  file.place_->memory = memory;
  while (used_ > bytes_ && by_use_.front().file != &file) {
    is_tight_ = true;
    by_use_.front().file->release();
  }
}

void CompressorBudget::forget(CompressedSerializer& file) {
  if (file.place_ != by_use_.end()) {
    used_ -= file.place_->memory;
    by_use_.erase(file.place_);
    file.place_ = by_use_.end();
  }
}

CompressedSerializer::CompressedSerializer(std::unique_ptr<Serializer> inner,
                                           const HadoopCodec& codec, int level,
                                           CompressorBudget& budget)
    : inner_(std::move(inner)),
      codec_(codec),
      level_(level),
      budget_(budget),
      place_(budget.by_use_.end()) {}

void CompressedSerializer::append(std::string& out, const Event& event) {
  inner_->append(raw_, event);
  if (raw_.size() >= (budget_.is_tight_ ? kTightStep : kStep)) {
    compress(out);
  }
}

void CompressedSerializer::compress(std::string& out) {
  out += compressed_;
  compressed_.clear();
  if (raw_.empty()) {
    return;
  }
  if (compressor_ == nullptr) {
    compressor_ = make_hadoop_compressor(codec_, level_);
  }
  compressor_->write(raw_, out);
  raw_.clear();
  budget_.used_by(*this, compressor_->memory());
}

void CompressedSerializer::flush(std::string& out) {
  inner_->flush(raw_);
  compress(out);
  std::string().swap(raw_);
  std::string().swap(compressed_);
}

void CompressedSerializer::end(std::string& out) {
  inner_->end(raw_);
  compress(out);
  if (compressor_ != nullptr) {
    compressor_->finish(out);
    compressor_.reset();
  }
  budget_.forget(*this);
}

void CompressedSerializer::release() {
  compressor_->finish(compressed_);
  compressor_.reset();
  budget_.forget(*this);
}

}  // namespace fl
