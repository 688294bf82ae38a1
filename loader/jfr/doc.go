// Package jfr reads old object samples from recordings of JDK Flight Recorder: objects that were alive at the end, the
// stack that allocated each, and the chain of references that keeps it. It reads the bytes of a file, and knows nothing of
// how they came to be.
//
// The format has no public specification. It is that of jdk.jfr.internal.consumer in OpenJDK (ChunkHeader, MetadataReader,
// ChunkParser and StringParser), version 2. A file is one or more chunks. A chunk is a header of 68 bytes and events, each
// with its size and type. One event is the metadata: a tree of elements that lists the fields of all types. Checkpoints are
// events with constants: values by type and key that other values refer to.
//
// A file may come from a server that lies. Its size, its constants and the work on it are bounded.
package jfr
