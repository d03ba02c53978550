"""Servers as Debian has them, on ports of a network namespace of their own."""
import glob
import os
import signal
import subprocess

REDIS, MEMCACHED, NGINX, PYTHON, NODE, SSH, POSTGRES, MARIADB, APACHE, APACHE_TOO, JAVA = range(7001, 7012)


def redis(stage):
    return stage.start("redis", ["redis-server", "--port", str(REDIS), "--save", "", "--dir", stage.folder])


def memcached(stage):
    return stage.start("memcached", ["memcached", "-u", "nobody", "-l", "127.0.0.1", "-p", str(MEMCACHED)])


def nginx(stage):
    folder = stage.folder_of("nginx")
    temporary = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in
                         ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    configuration = stage.write("nginx.conf", f"""
daemon off; pid {folder}/pid; error_log {folder}/error; worker_processes 2;
events {{}}
http {{ access_log off; keepalive_timeout 1h; {temporary}
  server {{ listen 127.0.0.1:{NGINX}; root {stage.folder}; }} }}
""")
    return stage.start("nginx", ["nginx", "-c", configuration])


def python(stage):
    folder = stage.folder_of("www")
    return stage.start("python http.server", ["python3", "-m", "http.server", str(PYTHON), "--bind", "127.0.0.1"],
                       cwd=folder)


def node(stage):
    program = f"""
const server = require("http").createServer((request, response) => response.end("x"));
server.keepAliveTimeout = 3600e3; server.listen({NODE}, "127.0.0.1");"""
    return stage.start("node", ["node", "-e", program])


def ssh(stage):
    os.makedirs("/run/sshd", exist_ok=True)
    for name in ("host_key", "user_key"):
        stage.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", stage.path(name)])
    configuration = stage.write("sshd_config", f"""
Port {SSH}
ListenAddress 127.0.0.1
HostKey {stage.path("host_key")}
AuthorizedKeysFile {stage.path("user_key.pub")}
StrictModes no
PermitRootLogin yes
UsePAM no
PidFile none
""")
    return stage.start("sshd", ["/usr/sbin/sshd", "-D", "-e", "-f", configuration])


def ssh_client(stage, *command, port=SSH, options=()):
    return ["ssh", "-F", "none", "-p", str(port), "-i", stage.path("user_key"), "-o", "StrictHostKeyChecking=no",
            "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes", *options, "root@127.0.0.1", *command]


def postgres(stage):
    programs = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]
    data = stage.folder_of("postgres", "postgres")
    stage.run([f"{programs}/initdb", "-D", data, "-A", "trust", "-N"], user="postgres")
    return stage.start("postgres", [f"{programs}/postgres", "-D", data, "-p", str(POSTGRES), "-k", data,
                                    "-h", "127.0.0.1", "-c", "fsync=off", "-c", "wal_level=logical"], user="postgres")


def mariadb(stage):
    data = stage.folder_of("mariadb", "mysql")
    stage.run(["mariadb-install-db", "--no-defaults", "--user=mysql", f"--datadir={data}", "--skip-test-db",
               "--auth-root-authentication-method=normal"])
    return stage.start("mariadb", ["mariadbd", "--no-defaults", "--user=mysql", f"--datadir={data}",
                                   f"--socket={data}/socket", f"--port={MARIADB}", "--bind-address=127.0.0.1",
                                   "--innodb-flush-log-at-trx-commit=0"])


def apache(stage):
    folder = stage.folder_of("apache")
    configuration = stage.write("apache.conf", f"""
ServerRoot {folder}
PidFile {folder}/pid
ErrorLog {folder}/error
LoadModule mpm_prefork_module /usr/lib/apache2/modules/mod_mpm_prefork.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
Listen 127.0.0.1:{APACHE}
Listen 127.0.0.1:{APACHE_TOO}
ServerName localhost
DocumentRoot {folder}
KeepAliveTimeout 3600
Mutex sem default
""")
    return stage.start("apache", ["/usr/sbin/apache2", "-DFOREGROUND", "-f", configuration])


def dbus(stage):
    return stage.start("dbus", ["dbus-daemon", "--session", "--nofork", f"--address=unix:path={stage.path('bus')}"])


def get(path="/"):
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n".encode()


def stop(process):
    """SIGSTOP, and until it is seen to be stopped."""
    os.kill(process.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
