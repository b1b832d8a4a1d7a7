// Hadoop's compression codecs: their names, the endings they give to files, their bytes,
// as the classes of org.apache.hadoop.io.compress write them.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "common/base/error.h"
#include "common/compress/stream_compressor.h"

namespace fl {

struct HadoopCodec {
  enum class Format {
    gzip,
    zlib,
    bzip2,
    zstd,
    snappy,  ///< raw blocks in Hadoop's framing, see block_compression.h
    lz4,
  };
  std::string_view name;        ///< the class's simple name without "Codec", lower case
  std::string_view class_name;  ///< goes into SequenceFiles
  std::string_view extension;   ///< with the dot
  Format format;
};

/// The codec of a name as hdfs.codeC takes it: the class with its package, or in any case its
/// simple name with or without "Codec"; also "zstd". nullptr: "None". Errors, class config: not
/// known, with the names that are.
Result<const HadoopCodec*> find_hadoop_codec(std::string_view name);

/// Levels from 1 that the codec knows; none (0 to 0) for snappy and lz4.
CompressionLevels hadoop_codec_levels(const HadoopCodec& codec);

/// A compressor whose streams the codec reads; `level` 0: the standard one.
std::unique_ptr<StreamCompressor> make_hadoop_compressor(const HadoopCodec& codec, int level);

}  // namespace fl
