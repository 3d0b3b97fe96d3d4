// Package wal is an append-only log of records, in segments.
//
// # Promises
//
//  1. The records of one [Log.Append] are one batch. Once it has returned
//     without an error, all of them are on the disk and survive a crash of the
//     process and of the machine. After a crash before that, either all of
//     them are there or none.
//  2. A batch that [Log.AppendLazy] has written survives a crash of the process,
//     and within [Options.LazySync] one of the machine.
//  3. Batches stay in the order in which they were begun. After a crash of the
//     machine, of what was not yet on the disk any part may be missing.
//  4. Nothing that was not written is ever read: each record has a checksum
//     that is bound to its log, its segment and its offset.
//  5. What a crash has left half written at the end is cut off when the log is
//     opened. What was on the disk and cannot be read any more is damage: it is
//     named in the log and in [Stats], and kept in a file of its own, and the
//     batches before and behind it are read as ever.
//  6. When there is no room, Append fails with [ErrFull], and AppendLazy has a
//     reserve. Both go on when there is room again.
//  7. After an error of the disk, the segment is not written to again. The
//     batches that were waiting fail, and the next go to a new segment.
//
// # Format
//
// A segment is a file of a fixed size, which is allocated before it is used.
// Its name is its number. The first two pages hold its header, twice; the
// batches follow without a gap, and then zeros. All integers are little endian.
//
//	header: magic [8] | number u32 | previous u32 | end u32 | salt u64 | created i64 | crc u32
//	batch:  magic [4] | crc u32 | length u32 | count u32 | synced u32 | records
//	record: crc u32 | length u32 | bytes
//
// The header says where the batches of the previous segment end, which closes
// that one. The length of a batch is that of its records, and its crc covers
// its own header only, since those of the records cover the rest. A batch
// without any record fills a place that a crash left torn. Checksums are
// CRC-32C, and start from a hash of the log's random salt, the segment and the
// offset. So neither a block that is left from earlier, nor a batch in the
// wrong place, nor bytes inside a record that look like a batch, can be taken
// for one.
//
// # Torn or damaged
//
// A batch that cannot be read was either never on the disk as a whole, or was
// there and is damaged. It matters, because the first may be thrown away and
// the second may not. Each batch says up to which offset the segment was on the
// disk when it was written (synced). A bad batch before the synced offset of a
// later one is damage; so is every one in a segment that is closed. Where no
// later batch tells, it was not acknowledged, or it was the very last: it is
// torn. In no case is a valid batch behind it given up.
package wal
