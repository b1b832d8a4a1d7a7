// What the sink's files are made of: hdfs.fileType, hdfs.codeC, hdfs.writeFormat and the
// serializer, with the rules by which they go together (flume/sinks.md "HDFS sink in depth").
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/error.h"
#include "common/event/event.h"
#include "common/hadoop/sequence_file.h"
#include "tools/fl-sink/hdfs/compressed_serializer.h"
#include "tools/fl-sink/hdfs/options.h"
#include "tools/fl-sink/serializer.h"

namespace fl {

class FileFormat {
 public:
  /// Errors of class config: names that are not known, options that do not go together.
  static Result<std::unique_ptr<FileFormat>> make(const HdfsOptions& options);
  FileFormat(const FileFormat&) = delete;
  FileFormat& operator=(const FileFormat&) = delete;

  /// The last part of file names: hdfs.fileSuffix, without it the codec's extension.
  const std::string& suffix() const { return suffix_; }

  /// True: examine() is called with each event before it is given to a serializer.
  bool examines() const { return sequence_.has_value(); }
  /// Class input: no file can take this event; the text says why.
  Status examine(const Event& event);

  /// A serializer for one file. This object outlives it.
  std::unique_ptr<Serializer> serializer();

 private:
  explicit FileFormat(const HdfsOptions& options);
  Status choose(const HdfsOptions& options);
  Status choose_level(const HdfsOptions& options);

  std::string suffix_;
  const HadoopCodec* codec_ = nullptr;
  int level_ = 0;
  bool is_compressed_stream_ = false;
  std::optional<SequenceFormat> sequence_;
  std::unique_ptr<StreamCompressor> shared_;  // of all SequenceFiles
  std::int64_t key_ = 0;                      // of the event that was examined last
  CompressorBudget budget_;
  SerializerOptions serializer_options_;
};

}  // namespace fl
