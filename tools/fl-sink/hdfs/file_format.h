// What the sink's files are made of: hdfs.fileType, hdfs.codeC, hdfs.writeFormat and the
// serializer, with the rules of Flume's hdfs sink by which they go together.
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
#include "tools/fl-sink/hdfs/row_form.h"
#include "tools/fl-sink/hdfs/schema_source.h"
#include "tools/fl-sink/serializer.h"

namespace fl {

class FileFormat {
 public:
  /// `rows`, if there, makes the lines of files, and the serializer of the options is not asked.
  /// Errors of class config: names that are not known, options that do not go together.
  static Result<std::unique_ptr<FileFormat>> make(const HdfsOptions& options,
                                                  std::unique_ptr<RowForm> rows = nullptr);
  FileFormat(const FileFormat&) = delete;
  FileFormat& operator=(const FileFormat&) = delete;

  /// The last part of file names: hdfs.fileSuffix, without it the codec's extension.
  const std::string& suffix() const { return suffix_; }

  /// True: examine() is called with each event before it is given to a serializer.
  bool examines() const { return sequence_ || schemas_ || rows_ != nullptr; }
  /// True: the event belongs in a file of another kind() than the one before. Class input: no file
  /// can take it; the text says why.
  Result<bool> examine(const Event& event);
  /// What all events of a file have in common: the schema of an avro_schema file, else nothing.
  std::string_view kind() const {
    return schema_ == nullptr ? std::string_view() : schema_->text();
  }

  /// A serializer for one file, of the kind() of the event examined last. This object outlives it.
  std::unique_ptr<Serializer> serializer();

 private:
  FileFormat(const HdfsOptions& options, std::unique_ptr<RowForm> rows);
  Status choose(const HdfsOptions& options);
  Status choose_level(const HdfsOptions& options);
  Status choose_serializer();

  std::string suffix_;
  const HadoopCodec* codec_ = nullptr;
  int level_ = 0;
  bool is_compressed_stream_ = false;
  std::optional<SequenceFormat> sequence_;
  std::unique_ptr<StreamCompressor> shared_;  // of all SequenceFiles
  std::int64_t key_ = 0;                      // of the event that was examined last
  CompressorBudget budget_;
  const SerializerOptions serializer_options_;
  const std::unique_ptr<RowForm> rows_;
  std::optional<SerializerFactory> serializers_;
  std::optional<SchemaSource> schemas_;
  std::shared_ptr<AvroPacker> packer_;        // of avro_schema files
  std::shared_ptr<const AvroSchema> schema_;  // of the event that was examined last
};

}  // namespace fl
