package rpc

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
)

func FuzzAnswer(f *testing.F) {
	file, err := proto.Marshal(protodesc.ToFileDescriptorProto(grpc_testing.File_grpc_testing_empty_proto))
	require.NoError(f, err)
	f.Add([]byte(nil))
	f.Add(append([]byte{0x22, byte(2 + len(file)), 0x0a, byte(len(file))}, file...))
	f.Add([]byte{0x3a, 0x04, 0x12, 0x02, 'n', 'o'})
	f.Fuzz(func(t *testing.T, answer []byte) {
		files, err := filesIn(answer)
		require.Equal(t, err == nil, len(files) > 0)
		for _, file := range files {
			require.Subset(t, answer, file)
		}
	})
}
