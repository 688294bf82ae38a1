import java.io.IOException;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;
import org.eclipse.jetty.http2.server.HTTP2CServerConnectionFactory;
import org.eclipse.jetty.server.HttpConfiguration;
import org.eclipse.jetty.server.HttpConnectionFactory;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.server.handler.AbstractHandler;

/** An HTTP/2 server of Jetty's that says hello on HOST:PORT, without TLS. */
public class Jetty {
    public static void main(String[] args) throws Exception {
        Server server = new Server();
        HttpConfiguration how = new HttpConfiguration();
        ServerConnector connector = new ServerConnector(server, new HttpConnectionFactory(how), new HTTP2CServerConnectionFactory(how));
        connector.setHost(System.getenv("HOST"));
        connector.setPort(Integer.parseInt(System.getenv("PORT")));
        server.addConnector(connector);
        server.setHandler(new AbstractHandler() {
            @Override
            public void handle(String target, Request base, HttpServletRequest request, HttpServletResponse response) throws IOException {
                request.getInputStream().transferTo(java.io.OutputStream.nullOutputStream());
                response.getWriter().print("Hello, warp!");
                base.setHandled(true);
            }
        });
        server.start();
        server.join();
    }
}
