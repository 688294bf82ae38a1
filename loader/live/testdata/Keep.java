import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.Inflater;

/** Keep does what each line of its input says, and then writes "done". */
public class Keep {
    static final Object[] kept = new Object[1 << 20];
    static int count;
    static final List<ByteBuffer> buffers = new ArrayList<>();

    public static void main(String[] arguments) throws Exception {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        System.out.println("ready");
        for (String line; (line = lines.readLine()) != null; ) {
            String[] words = line.split(" ");
            int times = Integer.parseInt(words[1]);
            for (int i = 0; i < times; i++) {
                switch (words[0]) {
                    case "keep": // 1,016 bytes each: 16 of a header, and 1,000
                        kept[count++] = new byte[1000];
                        break;
                    case "waste":
                        kept[kept.length - 1] = new byte[100_000];
                        kept[kept.length - 1] = null;
                        break;
                    case "direct": // kept
                        buffers.add(touched());
                        break;
                    case "drop": // 64 KiB outside of the heap, which only a collection frees
                        touched();
                        break;
                    case "inflate": // about 40 KB outside of the heap, which only a collection frees
                        Inflater inflater = new Inflater();
                        inflater.setInput(new byte[] {120, -100, 3, 0, 0, 0, 0, 1});
                        inflater.inflate(new byte[10]);
                        break;
                    default:
                        throw new IllegalArgumentException(line);
                }
            }
            System.out.println("done");
        }
    }

    static ByteBuffer touched() {
        ByteBuffer buffer = ByteBuffer.allocateDirect(64 << 10);
        for (int i = 0; i < buffer.capacity(); i += 4096) {
            buffer.put(i, (byte) 1);
        }
        return buffer;
    }
}
