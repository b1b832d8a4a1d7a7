#!/usr/bin/env python3
"""The log on real file systems, in images on loop devices, whose device fails or fills up.

usage: devices.py [--long] [FILE SYSTEM...]       ext4, xfs
  power: putter and taker are killed, then the file system is cut off without its journal (the
         shutdown ioctl) and mounted again: what was acknowledged is there.
  full:  the disk is full and gets room again: the putter waits, and ends with 0.
  fails: the device refuses writes (its image is on a full tmpfs): the putter ends with 74 and
         acknowledges nothing that did not get to the disk. A loop device takes a request that was
         written in part for one that was written (seen on Linux 6.18, without fl), so this one gets
         requests of one page.
Needs root, and mkfs of the file system. Last line: N passed, N failed, N skipped; the exit status
is 77 if anything was skipped and nothing failed.
"""
import fcntl
import os
import shutil
import struct
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import ends  # noqa: E402
import kills  # noqa: E402
from ledger import Fault  # noqa: E402

GOING_DOWN = 0x8004587D     # EXT4_IOC_SHUTDOWN, XFS_IOC_GOINGDOWN
NO_LOG_FLUSH = struct.pack("I", 2)
MIB = 1 << 20
SIZES = {"ext4": 48, "xfs": 320}    # MiB; mkfs.xfs wants at least 300
SKIPPED = 77


class NoMount(Exception):
    """This machine cannot make or mount such an image: a container without the right to."""


def command(*words: str) -> None:
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
    if done.returncode != 0:
        raise OSError(f"{' '.join(words)}: {done.stdout.decode().strip()}")


class Image:
    """A file system in a file, mounted in a directory; with `room` on a tmpfs of so many MiB."""

    def __init__(self, directory: str, kind: str, room=0):
        self.kind, self.tmpfs = kind, None
        self.mounted = False
        folder = os.path.join(directory, "device")
        self.place = os.path.join(directory, "mounted")
        os.makedirs(folder)
        os.makedirs(self.place)
        try:
            if room:
                command("mount", "-t", "tmpfs", "-o", f"size={room}m", "none", folder)
                self.tmpfs = folder
            self.file = os.path.join(folder, "image")
            with open(self.file, "wb") as file:
                file.truncate(SIZES[kind] * MIB)
            quick = ["-F", "-E", "lazy_itable_init=1,nodiscard"] if kind == "ext4" else ["-K"]
            command(f"mkfs.{kind}", "-q", *quick, self.file)
            self.mount()
        except OSError as error:
            self.remove()
            raise NoMount(str(error)) from error

    def mount(self):
        command("mount", "-o", "loop", self.file, self.place)
        self.mounted = True
        if self.tmpfs:
            number = os.minor(os.stat(self.place).st_dev)
            with open(f"/sys/block/loop{number}/queue/max_sectors_kb", "w", encoding="ascii") as size:
                size.write("4")

    def unmount(self):
        if self.mounted:
            command("umount", self.place)
            self.mounted = False

    def cut_off(self):
        """As a power loss: nothing that is not on the device gets there."""
        fd = os.open(self.place, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, GOING_DOWN, NO_LOG_FLUSH)
        finally:
            os.close(fd)
        self.unmount()

    def remove(self):
        self.unmount()
        if self.tmpfs:
            command("umount", self.tmpfs)


class Life(kills.Round):
    """A log on an image."""

    def __init__(self, mode: str, seed: int, kind: str, room=0):
        super().__init__(mode, seed)
        try:
            self.image = Image(self.directory, kind, room)
        except NoMount:
            super().remove()
            raise
        self.log = os.path.join(self.image.place, "log")

    def remove(self):
        self.image.remove()
        super().remove()

    def start(self, blocks: list, *words: str):
        """A putter that runs."""
        source = ends.Source(self.directory, blocks, self.rng)
        process = ends.popen([kills.CHANNEL, "file", self.log, "--put", "--segment-size", kills.SEGMENT,
                              *words], self.directory, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        source.start(process.stdin)
        process.stdin = None
        return source, process

    def finish(self, source, process, kill=False):
        if kill:
            process.kill()
        try:
            self.errors = process.communicate(timeout=kills.HANG)[1].decode(errors="replace")
        except subprocess.TimeoutExpired:
            self.faults.append(Fault("hang", "the putter"))
            process.kill()
            self.errors = process.communicate()[1].decode(errors="replace")
        source.close()
        self.required.append(source.required())
        return process.returncode

    def settle(self):
        """What is there, and that the log can continue."""
        self.judge("afterwards")
        status = self.run(["--put", "--segment-size", kills.SEGMENT], self.blocks(1, 100))
        if status != 0:
            self.faults.append(Fault("status", f"{status}: {self.errors[-300:]}"))
        self.judge("put again")


def power(kind: str, seed: int, cycles: int):
    life = Life("power", seed, kind)
    try:
        for _ in range(cycles):
            source, process = life.start(life.blocks(12, 12000))
            goal = life.rng.randint(0, 25)
            ends.harness.poll(lambda: source.acknowledged >= goal or process.poll() is not None, "events")
            # First the writers: the ioctl may overtake a sync.
            life.finish(source, process, kill=True)
            life.image.cut_off()
            life.image.mount()
            life.judge("after the cut")
            if life.rng.random() < 0.4:
                if life.run(["--take", "--once"], None, True) != 0:
                    life.faults.append(Fault("status", life.errors[-300:]))
                life.image.cut_off()
                life.image.mount()
                life.judge("after a take and a cut")
        life.settle()
        return life.faults, f"{cycles} cuts, {life.next} events"
    finally:
        life.remove()


def full(kind: str, seed: int, _cycles: int):
    life = Life("full", seed, kind)
    try:
        life.run(["--put", "--segment-size", kills.SEGMENT, "--reserve", "0"], life.blocks(3, 5000))
        filler = os.path.join(life.image.place, "filler")
        with open(filler, "wb") as file:
            room = os.statvfs(life.image.place)
            for _ in range(room.f_bavail * room.f_frsize // 65536 + 64):
                try:
                    file.write(bytes(65536))
                    file.flush()
                except OSError:
                    break
        source, process = life.start(life.blocks(40, 12000), "--reserve", "0")
        ends.harness.poll(lambda: source.offered > source.acknowledged and os.statvfs(
            life.image.place).f_bavail < 16 or process.poll() is not None, "a full disk")
        before = source.acknowledged
        life.judge("full")
        os.unlink(filler)
        status = life.finish(source, process)
        if status != 0 or source.acknowledged <= before or source.acknowledged != source.offered:
            life.faults.append(Fault("status", f"{status}, {source.acknowledged} of {source.offered} events: "
                                     f"{life.errors[-300:]}"))
        life.settle()
        return life.faults, f"{before} events before, {source.acknowledged} in the end"
    finally:
        life.remove()


def fails(kind: str, seed: int, _cycles: int):
    room = 12 if kind == "ext4" else 80
    life = Life("fails", seed, kind, room)
    try:
        life.run(["--put", "--segment-size", kills.SEGMENT], life.blocks(3, 5000))
        os.sync()
        # No room is left for what the image has never written.
        filler = os.path.join(life.image.tmpfs, "filler")
        with open(filler, "wb", buffering=0) as file:
            try:
                for _ in range(room * 16):
                    file.write(bytes(65536))
            except OSError:
                pass
        source, process = life.start(life.blocks(300, 12000))
        status = life.finish(source, process)
        if status != 74 or 0 < source.acknowledged == source.offered:
            life.faults.append(Fault("status", f"{status}, {source.acknowledged} of {source.offered} events: "
                                     f"{life.errors[-300:]}"))
        life.image.cut_off()
        os.unlink(filler)
        life.image.mount()
        life.settle()
        return life.faults, f"{source.acknowledged} of {source.offered} events acknowledged before it failed"
    finally:
        life.remove()


def main() -> int:
    cycles = 50 if "--long" in sys.argv else 8
    kinds = [word for word in sys.argv[1:] if not word.startswith("-")] or list(SIZES)
    passed = failed = skipped = 0
    for kind in kinds:
        why = "needs root" if os.geteuid() != 0 else "" if shutil.which(f"mkfs.{kind}") else f"no mkfs.{kind}"
        for part in (power, full, fails):
            start = time.monotonic()
            try:
                faults, text = ([], why) if why else part(kind, kills.SEED, cycles)
            except NoMount as error:
                why = str(error)
                faults, text = [], why
            if why:
                skipped += 1
                print(f"skipped devices {kind} {part.__name__}: {why}", flush=True)
                continue
            passed, failed = passed + (not faults), failed + bool(faults)
            for fault in faults[:5]:
                print(f"{fault.kind}: {fault.text}")
            lost = sum(fault.kind == "lost" for fault in faults)
            print(f"devices {kind} {part.__name__}, seed {kills.SEED}: {text}, lost {lost}, other faults "
                  f"{len(faults) - lost}, {time.monotonic() - start:.0f} s", flush=True)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else SKIPPED if skipped else 0


if __name__ == "__main__":
    sys.exit(main())
