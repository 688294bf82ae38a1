import com.sun.net.httpserver.HttpServer;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicLong;

/**
 * An HTTP server that makes 32 KiB of garbage in each request, and keeps an array of bytes of every KEEP_EVERY-th if KEEP=1.
 *
 * <p>An array of 88 bytes takes 16 more for its head: 104. The list has room for all of them from the start, so that it
 * does not grow.
 */
public final class Kept {
	private static final int ROOM = 4_000_000;
	private static volatile Object garbage;

	public static void main(String[] args) throws Exception {
		boolean keep = "1".equals(System.getenv("KEEP"));
		long every = Long.parseLong(System.getenv().getOrDefault("KEEP_EVERY", "1"));
		AtomicLong requests = new AtomicLong();
		List<byte[]> kept = new ArrayList<>(ROOM);
		byte[] hello = "hello\n".getBytes();
		int port = Integer.parseInt(System.getenv("PORT"));
		HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 1000);
		server.createContext("/", exchange -> {
			for (int n = 0; n < 32; n++) {
				garbage = new byte[1000];
			}
			if (keep && requests.incrementAndGet() % every == 0) {
				synchronized (kept) {
					kept.add(new byte[88]);
				}
			}
			exchange.sendResponseHeaders(200, hello.length);
			exchange.getResponseBody().write(hello);
			exchange.close();
		});
		server.setExecutor(Executors.newFixedThreadPool(4));
		server.start();
	}
}
