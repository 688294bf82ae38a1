package foreign

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/e2e/internal/lab"
)

// h2Server returns the command of an HTTP/2 server on port, with its files in a folder. With TLS that folder has key.pem
// and cert.pem.
type h2Server func(t *testing.T, folder, port string, tls bool) []string

// h2Servers are the servers by name. nginx and Apache end a connection after 100 requests.
var h2Servers = map[string]h2Server{
	"nghttpd": func(t *testing.T, folder, port string, tls bool) []string {
		command := []string{lab.Need(t, "nghttpd"), "--address=127.0.0.1", "--htdocs=" + folder}
		if !tls {
			return append(command, "--no-tls", port)
		}
		return append(command, port, filepath.Join(folder, "key.pem"), filepath.Join(folder, "cert.pem"))
	},
	"nginx": func(t *testing.T, folder, port string, tls bool) []string {
		how := "http2"
		if tls {
			how = fmt.Sprintf("http2 ssl; ssl_certificate %s/cert.pem; ssl_certificate_key %[1]s/key.pem", folder)
		}
		conf := fmt.Sprintf(`daemon off; pid %s/pid; error_log stderr; events {}
http { access_log %[1]s/access; root %[1]s; keepalive_requests 100; client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy;
fastcgi_temp_path %[1]s/fastcgi; uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
server { listen 127.0.0.1:%s %s; } }`, folder, port, how)
		return []string{lab.Need(t, "nginx"), "-p", folder, "-c", written(t, folder, "nginx.conf", conf)}
	},
	"Apache": func(t *testing.T, folder, port string, tls bool) []string {
		const modules = "/usr/lib/apache2/modules/mod_"
		how := "Protocols h2c http/1.1"
		if tls {
			how = fmt.Sprintf("LoadModule ssl_module %sssl.so\nProtocols h2\nSSLEngine on\nSSLCertificateFile %s/cert.pem\nSSLCertificateKeyFile %[2]s/key.pem", modules, folder)
		}
		conf := fmt.Sprintf(`LoadModule mpm_event_module %smpm_event.so
LoadModule authz_core_module %[1]sauthz_core.so
LoadModule http2_module %[1]shttp2.so
ServerName localhost
PidFile %[2]s/pid
DefaultRuntimeDir %[2]s
ErrorLog %[2]s/error
DocumentRoot %[2]s
MaxKeepAliveRequests 100
Listen 127.0.0.1:%[3]s
%[4]s
`, modules, folder, port, how)
		return []string{lab.Need(t, "apache2"), "-DFOREGROUND", "-f", written(t, folder, "apache.conf", conf)}
	},
	"Caddy": func(t *testing.T, folder, port string, tls bool) []string {
		how := "protocols h1 h2c"
		site := "http://127.0.0.1:" + port
		certificate := ""
		if tls {
			how, site, certificate = "protocols h1 h2", "https://127.0.0.1:"+port, fmt.Sprintf("tls %s/cert.pem %[1]s/key.pem", folder)
		}
		conf := fmt.Sprintf("{\n\tadmin off\n\tauto_https disable_redirects\n\tservers {\n\t\t%s\n\t}\n}\n%s {\n\t%s\n\trespond \"Hello, warp!\"\n}\n", how, site, certificate)
		return []string{"env", "HOME=" + folder, lab.Need(t, "caddy"), "run", "--config", written(t, folder, "Caddyfile", conf), "--adapter", "caddyfile"}
	},
	"Node": func(t *testing.T, folder, _ string, tls bool) []string {
		command := []string{lab.Need(t, "node"), "../testdata/http2.js"}
		if tls {
			command = append(command, filepath.Join(folder, "key.pem"), filepath.Join(folder, "cert.pem"))
		}
		return command
	},
	"Jetty": func(t *testing.T, _, _ string, _ bool) []string {
		var jars []string
		for _, name := range []string{"server", "http", "io", "util", "http2-server", "http2-common", "http2-hpack"} {
			jars = append(jars, lab.NeedFile(t, "/usr/share/java/jetty9-"+name+".jar", "libjetty9-java"))
		}
		jars = append(jars, lab.NeedFile(t, "/usr/share/java/servlet-api.jar", "libservlet-api-java"))
		return []string{lab.Need(t, "java"), "-cp", strings.Join(jars, ":"), "../testdata/Jetty.java"}
	},
	"the demo": func(*testing.T, string, string, bool) []string {
		return []string{"env", "LEAK=none", lab.Server}
	},
}

func written(t *testing.T, folder, name, text string) string {
	t.Helper()
	path := filepath.Join(folder, name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// certify writes key.pem and cert.pem for 127.0.0.1 into a folder.
func certify(t *testing.T, folder string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	for name, block := range map[string]*pem.Block{"key.pem": {Type: "PRIVATE KEY", Bytes: private}, "cert.pem": {Type: "CERTIFICATE", Bytes: certificate}} {
		written(t, folder, name, string(pem.EncodeToMemory(block)))
	}
}

// Each server answers all requests, over connections that it may end after some of them.
func TestServersOfHTTP2FromDebian(t *testing.T) {
	for name, server := range h2Servers {
		for _, protocol := range []string{"h2c", "h2"} {
			if name == "Jetty" && protocol == "h2" {
				continue // its ALPN would need a key store
			}
			t.Run(name+" "+protocol, func(t *testing.T) {
				folder, port := t.TempDir(), lab.FreePorts(t, 1)[0]
				for _, readable := range []string{filepath.Dir(folder), folder} {
					require.NoError(t, os.Chmod(readable, 0o755))
				}
				require.NoError(t, os.Mkdir(filepath.Join(folder, "hello"), 0o755))
				require.NoError(t, os.WriteFile(filepath.Join(folder, "hello", "warp"), []byte("Hello, warp!"), 0o644))
				certify(t, folder)
				command := server(t, folder, port, protocol == "h2")
				r := lab.Start(t, []string{"PORT=" + port, "PROTOCOL=" + protocol, "TLS_INSECURE=true", "TRIES=2", "REQUESTS=1000", "WORKERS=5",
					"STREAMS=7", "LIVE=off"}, command...)
				assert.Equal(t, 125, r.ExitCode(), "%s%s", &r.Out, &r.Err)
				rows := r.Rows(t)
				require.Len(t, rows, 2)
				for _, row := range rows {
					assert.EqualValues(t, 1000, lab.Number(t, row, lab.ColumnRequests))
					assert.Zero(t, lab.Number(t, row, lab.ColumnErrors), row)
				}
				if name == "nginx" {
					log, err := os.ReadFile(filepath.Join(folder, "access"))
					require.NoError(t, err)
					assert.InDelta(t, 2000, strings.Count(string(log), "\n"), 3, "and those that tell whether it answers")
				}
			})
		}
	}
}
