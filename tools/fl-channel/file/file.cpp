// A durable log between stages: Flume's file channel.
#include <memory>

#include "common/component/component_type.h"
#include "tools/fl-channel/file/file_options.h"
#include "tools/fl-channel/file/file_put.h"
#include "tools/fl-channel/file/file_take.h"

namespace fl {

ComponentType file_channel() {
  ComponentType type;
  type.kind = ComponentKind::channel;
  type.name = "file";
  type.class_names = {"org.apache.flume.channel.file.FileChannel"};
  type.sought_as = {"disk", "durable", "log", "spillable"};
  type.summary = "keep events in a durable log";
  type.description =
      "Writes events to a log in DIR, and passes them on from there. What is in the log survives "
      "the end of this process, of the host, and a destination that is away for days.\n\n"
      "Without --put and --take it does both: it ends when the input is over and everything was "
      "passed on and acknowledged. With --put it only writes, with --take it only reads; the two "
      "run as processes of their own, also at the same time, and can be started and stopped in any "
      "order. A log has one writer. Each group of takers (--group) gets every event and has one "
      "taker; a new group begins at the oldest event (--from). An option of the other half is "
      "refused (64).\n\n"
      "Users who share a log must be in one Unix group. Run the writer with --mode 0770 and the "
      "umask 002; if you create DIR yourself, give it the mode 2770. What a taker creates in DIR "
      "gets the mode of DIR, whatever its umask is. A writer that may not lock the log's groups "
      "could never free space, so it does not start (77).\n\n"
      "The log consists of segments. A segment is removed when every group has acknowledged all of "
      "it; a log without groups keeps everything. When the disk is full, or a limit is reached, "
      "reading stops and the source waits; a group that keeps a full log from going on is named. "
      "Taking needs no space, but a new group waits for it.\n\n"
      "With several --out each block of events goes to the output that is free, and is kept in "
      "memory until its reader has acknowledged it; when an output is lost, what it had goes to "
      "the others. An output whose reader does not acknowledge is not used.\n\n"
      "A log gives each event a number, which its stream tells the next stages (fl-ack(7)); one "
      "with several outputs does not.\n\n"
      "The directory must be on a local file system. fl-log(5) describes its files.";
  type.delivery =
      "An event is acknowledged to the source when it is synced to disk; what arrives while a "
      "sync runs shares the next one. The next stage gets an event only after that. A group's "
      "position moves as its reader acknowledges; after a failure unacknowledged events are "
      "passed on again. A second log on the same host remembers how far a group has got, so no "
      "event comes twice from one log into the other. If a sync fails, the process ends with 74 "
      "and acknowledges nothing more. Damaged records are reported, counted and kept in "
      "DIR/quarantine, and a taker that missed events ends with 65.";
  type.examples = {
      {"fl-source seq --count 1000 | fl-channel file log | fl-sink null",
       "A log between a source and a sink."},
      {"fl-source seq --count 1000 | fl-channel file log2 --put; fl-channel file log2 --take "
       "--once | fl-sink null",
       "One process puts, another one takes."},
      {"fl-source seq --count 10 | fl-channel file log3 --put; fl-channel file log3 --take --once "
       "--group audit --from 5 | fl-sink stdout --stream",
       "A second group that begins at the event with the number 5."},
  };
  type.options = file_options();
  type.shares_out = true;
  type.channel = [](const std::shared_ptr<void>& given) {
    const auto& options = *std::static_pointer_cast<FileOptions>(given);
    Channel channel;
    // Both options together are both halves, as neither.
    const bool both = options.put == options.take;
    const auto shared = std::make_shared<FileShared>();
    if (both || options.put) {
      channel.put = std::make_unique<FilePut>(options, shared);
    }
    if (both || options.take) {
      channel.take = std::make_unique<FileTake>(options, both ? shared : nullptr);
    }
    return channel;
  };
  return type;
}

}  // namespace fl
