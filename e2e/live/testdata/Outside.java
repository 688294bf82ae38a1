import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Executors;
import java.util.zip.Inflater;

/** Outside takes memory outside of the heap with each request. Its first argument tells which, the second how many bytes. */
public class Outside {
    static final ConcurrentLinkedQueue<ByteBuffer> kept = new ConcurrentLinkedQueue<>();

    public static void main(String[] arguments) throws Exception {
        String what = arguments[0];
        int size = Integer.parseInt(arguments[1]);
        int port = Integer.parseInt(System.getenv("PORT"));
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 0);
        byte[] body = "ok\n".getBytes();
        server.createContext("/", exchange -> {
            try {
                take(what, size);
            } catch (Exception e) {
                e.printStackTrace();
            }
            exchange.sendResponseHeaders(200, body.length);
            exchange.getResponseBody().write(body);
            exchange.close();
        });
        server.setExecutor(Executors.newFixedThreadPool(4));
        server.start();
    }

    static void take(String what, int size) throws Exception {
        if (what.equals("inflaters")) { // dropped without end(), so that only a collection frees its memory of zlib
            Inflater inflater = new Inflater();
            inflater.setInput(new byte[] {120, -100, 3, 0, 0, 0, 0, 1});
            inflater.inflate(new byte[size]);
            return;
        }
        ByteBuffer buffer = ByteBuffer.allocateDirect(size);
        for (int i = 0; i < size; i += 512) {
            buffer.put(i, (byte) 1);
        }
        if (what.equals("kept")) {
            kept.add(buffer);
        }
    }
}
