import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicLong;

/** Leaks answers HTTP on PORT, and keeps something of each request, as LEAK tells: static, listener, cache, thread, direct or none. */
public class Leaks {
    static final List<int[]> KEPT = new ArrayList<>();
    static final List<Runnable> LISTENERS = new ArrayList<>();
    static final Map<Long, byte[]> CACHE = new HashMap<>();
    static final List<ByteBuffer> BUFFERS = new ArrayList<>();
    static final ThreadLocal<List<long[]>> CONTEXT = ThreadLocal.withInitial(ArrayList::new);
    static final AtomicLong REQUESTS = new AtomicLong();

    public static void main(String[] arguments) throws IOException {
        String leak = System.getenv().getOrDefault("LEAK", "none");
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", Integer.parseInt(System.getenv("PORT"))), 0);
        server.setExecutor(Executors.newFixedThreadPool(4));
        server.createContext("/", exchange -> answer(exchange, leak));
        server.start();
        System.out.println("ready");
    }

    static void answer(HttpExchange exchange, String leak) throws IOException {
        long request = REQUESTS.incrementAndGet();
        switch (leak) {
            case "static":
                register();
                break;
            case "listener":
                listen(request);
                break;
            case "cache":
                lookUp(request);
                break;
            case "thread":
                remember(request);
                break;
            case "direct":
                buffer();
                break;
            default:
                break;
        }
        byte[] body = ("<html>" + "x".repeat(2000) + request + "</html>").getBytes();
        exchange.sendResponseHeaders(200, body.length);
        exchange.getResponseBody().write(body);
        exchange.close();
    }

    /** 104 bytes: a header of 16, and 22 numbers. */
    static void register() {
        int[] numbers = new int[22];
        synchronized (KEPT) {
            KEPT.add(numbers);
        }
    }

    /** 24 bytes of the listener, and 216 of what it captures. */
    static void listen(long request) {
        char[] text = new char[100];
        Runnable listener = () -> text[0] = (char) request;
        synchronized (LISTENERS) {
            LISTENERS.add(listener);
        }
    }

    /** 1,016 bytes of the value, 24 of the key and 32 of the entry. */
    static void lookUp(long request) {
        synchronized (CACHE) {
            CACHE.computeIfAbsent(request, key -> new byte[1000]);
        }
    }

    /** 416 bytes, kept by a thread of the pool. */
    static void remember(long request) {
        long[] context = new long[50];
        context[0] = request;
        CONTEXT.get().add(context);
    }

    /** 8 KiB outside of the heap. */
    static void buffer() {
        ByteBuffer buffer = ByteBuffer.allocateDirect(8 << 10);
        synchronized (BUFFERS) {
            BUFFERS.add(buffer);
        }
    }
}
