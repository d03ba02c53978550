import Testing

@testable import BlockWatchCore

struct RedactionTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var arguments: [String]
        var line: String
        var testDescription: String { line }

        init(_ arguments: [String], _ line: String) { (self.arguments, self.line) = (arguments, line) }
        /// Words without blanks in them.
        init(_ command: String, _ line: String) {
            self.init(command.split(separator: " ").map(String.init), line)
        }
    }

    static let hidden: [Case] = [
        // Long options.
        Case("app --password hunter2 -v", "app --password *** -v"),
        Case("app --password=hunter2 -v", "app --password=*** -v"),
        Case("app -password hunter2", "app -password ***"),
        Case("app --db.password=a,b;c", "app --db.password=***"),
        Case("deploy --token abc --api-key=def --secret ghi", "deploy --token *** --api-key=*** --secret ***"),
        Case("x --auth abc --passwd q --passphrase r", "x --auth *** --passwd *** --passphrase ***"),
        Case("wget --http-password=x http://h/", "wget --http-password=*** http://h/"),
        Case("gh-runner --client-secret s3 --access-key AKIA1", "gh-runner --client-secret *** --access-key ***"),
        Case("keytool -storepass changeit -keypass changeit -list", "keytool -storepass *** -keypass *** -list"),
        Case("x11vnc -passwd geheim -display :0", "x11vnc -passwd *** -display :0"),
        Case("plink -pw geheim host", "plink -pw *** host"),
        Case("gpg --batch --passphrase x -c f", "gpg --batch --passphrase *** -c f"),
        // Short ones, by program.
        Case("mysql -uroot -psecret db", "mysql -uroot -p*** db"),
        Case("/usr/bin/mysqldump -u root -psecret --all-databases", "/usr/bin/mysqldump -u root -p*** --all-databases"),
        Case("sudo -u x mariadb -psecret", "sudo -u x mariadb -p***"),
        Case("docker exec -it db mysql -psecret", "docker exec -it db mysql -p***"),
        Case("mongosh -u u -p secret", "mongosh -u u -p ***"),
        Case("sshpass -p secret ssh -p 2222 host", "sshpass -p *** ssh -p 2222 host"),
        Case("sshpass -psecret scp -P 22 a b:c", "sshpass -p*** scp -P 22 a b:c"),
        Case("curl -u user:pass https://h/", "curl -u user:*** https://h/"),
        Case("curl -uuser:pass --proxy-user p:q https://h/", "curl -uuser:*** --proxy-user p:*** https://h/"),
        Case("curl --user=user:pass https://h/", "curl --user=user:*** https://h/"),
        Case("curl --oauth2-bearer abc https://h/", "curl --oauth2-bearer *** https://h/"),
        Case("redis-cli -h h -a secret ping", "redis-cli -h h -a *** ping"),
        Case("ldapsearch -x -D cn=admin -w secret -b dc=x", "ldapsearch -x -D cn=admin -w *** -b dc=x"),
        Case("sqlcmd -S h -U sa -P secret", "sqlcmd -S h -U sa -P ***"),
        Case("docker login -u me -p secret reg.io", "docker login -u me -p *** reg.io"),
        Case("smbclient //h/s -U user%pass", "smbclient //h/s -U user%***"),
        Case("lftp -u user,pass ftp.h", "lftp -u user,*** ftp.h"),
        Case("sqlplus scott/tiger@ORCL", "sqlplus scott/***@ORCL"),
        Case(
            "openssl rsa -in k.pem -passin pass:x1 -passout env:P",
            "openssl rsa -in k.pem -passin pass:*** -passout env:P"),
        Case("openssl enc -aes-256-cbc -k geheim -in f", "openssl enc -aes-256-cbc -k *** -in f"),
        Case("openssl enc -pass pass:geheim", "openssl enc -pass pass:***"),
        Case("7z x -pgeheim a.7z", "7z x -p*** a.7z"),
        Case("snmpwalk -v2c -c private h", "snmpwalk -v2c -c *** h"),
        Case("nmcli dev wifi connect net password geheim", "nmcli dev wifi connect net password ***"),
        Case("xfreerdp /u:me /p:geheim /v:h", "xfreerdp /u:me /p:*** /v:h"),
        Case("ssh-keygen -t rsa -N geheim -f k", "ssh-keygen -t rsa -N *** -f k"),
        Case("aws configure set aws_secret_access_key abc/def", "aws configure set aws_secret_access_key ***"),
        // Headers.
        Case(["curl", "-H", "Authorization: Bearer abc", "h"], "curl -H 'Authorization: Bearer ***' h"),
        Case(["curl", "--header", "X-Api-Key: abc", "h"], "curl --header 'X-Api-Key: ***' h"),
        Case(["wget", "--header=Authorization: Basic abc=="], "wget '--header=Authorization: Basic ***'"),
        Case(["curl", "-HCookie: a=b; c=d", "h"], "curl '-HCookie: ***' h"),
        Case(
            ["git", "-c", "http.extraHeader=Authorization: Basic Zm9v", "pull"],
            "git -c 'http.extraHeader=Authorization: Basic ***' pull"),
        // URLs.
        Case("psql postgres://u:p@h:5432/db", "psql postgres://u:***@h:5432/db"),
        Case("redis-cli -u redis://:geheim@h:6379/0", "redis-cli -u redis://:***@h:6379/0"),
        Case("git clone https://u:p@ss@github.com/a/b.git", "git clone https://u:***@github.com/a/b.git"),
        Case("psql postgres://u:p/w@h/db", "psql postgres://u:***@h/db"),
        Case("app --url=amqp://u:p@h1,amqp://u:q@h2", "app --url=amqp://u:***@h1,amqp://u:***@h2"),
        Case(
            "git clone https://a1b2c3d4e5f6a7b8c9d0e1f2@github.com/a/b", "git clone https://***@github.com/a/b"),
        Case(
            "curl https://h/p?a=1&token=abc&b=2&key=xyz&sig=q", "curl 'https://h/p?a=1&token=***&b=2&key=***&sig=***'"),
        Case(
            "java -jar a.jar jdbc:mysql://h/d?user=u&password=p",
            "java -jar a.jar 'jdbc:mysql://h/d?user=u&password=***'"),
        // Assignments.
        Case("env PGPASSWORD=x psql -h h", "env PGPASSWORD=*** psql -h h"),
        Case("docker run -e DB_PASSWORD=x -e A=b img", "docker run -e DB_PASSWORD=*** -e A=b img"),
        Case("docker run --env=API_TOKEN=x img", "docker run --env=API_TOKEN=*** img"),
        Case("docker run -eAPI_TOKEN=x img", "docker run -eAPI_TOKEN=*** img"),
        Case("env AWS_SECRET_ACCESS_KEY=/x/y MYSQL_PWD=z cmd", "env AWS_SECRET_ACCESS_KEY=*** MYSQL_PWD=*** cmd"),
        Case("env KEY=abc CREDENTIAL=def SIGNING_KEY=g cmd", "env KEY=*** CREDENTIAL=*** SIGNING_KEY=*** cmd"),
        Case("mount -o username=x,password=y,vers=3 //h/s /m", "mount -o username=x,password=***,vers=3 //h/s /m"),
        Case("java -Dspring.datasource.password=x -jar a.jar", "java -Dspring.datasource.password=*** -jar a.jar"),
        Case(
            "java -Djavax.net.ssl.keyStorePassword=x -Dpassword=y A",
            "java -Djavax.net.ssl.keyStorePassword=*** -Dpassword=*** A"),
        Case(
            "kubectl create secret generic s --from-literal=a=b", "kubectl create secret generic s --from-literal=a=***"
        ),
        Case("helm upgrade r c --set db.password=x,db.user=y", "helm upgrade r c --set db.password=***,db.user=y"),
        Case(["psql", "host=h user=u password=p dbname=d"], "psql 'host=h user=u password=*** dbname=d'"),
        Case(["app", "Server=h;User Id=u;Password=p;Timeout=3"], "app 'Server=h;User Id=u;Password=***;Timeout=3'"),
        Case(["curl", "-d", "user=u&password=p&x=1", "h"], "curl -d 'user=u&password=***&x=1' h"),
        // JSON.
        Case(
            ["curl", "-d", #"{"user":"u","password":"p,\"q","n":1}"#], #"curl -d '{"user":"u","password":"***","n":1}'"#
        ),
        Case(
            ["curl", "-d", #"{"a": {"api_key" : "x y"}, "pin": 3}"#], #"curl -d '{"a": {"api_key" : "***"}, "pin": 3}'"#
        ),
        Case(["sh", "-c", #"curl -d "{\"password\":\"x\"}" h"#], #"sh -c 'curl -d "{\"password\":\"***\"}" h'"#),
        Case(["app", #"{'token': 'x'}"#], #"app "{'token': '***'}""#),
        // Commands inside of arguments.
        Case(["sh", "-c", "mysql -psecret db | gzip"], "sh -c 'mysql -p*** db | gzip'"),
        Case(
            ["bash", "-c", "cd /x; PGPASSWORD=y psql && curl -u a:b h"],
            "bash -c 'cd /x; PGPASSWORD=*** psql && curl -u a:*** h'"),
        Case(["sh", "-c", "mysql -p'my secret' db"], "sh -c 'mysql -p*** db'"),
        Case(["sh", "-c", #"app --password "my secret" x"#], "sh -c 'app --password *** x'"),
        Case(
            ["bash", "-c", #"ssh h 'mysql -psecret' "--token=x""#],
            #"bash -c 'ssh h '\''mysql -p***'\'' "--token=***"'"#),
        Case(
            ["sh", "-c", #"curl -H "Authorization: Bearer abc" h"#], #"sh -c 'curl -H "Authorization: Bearer ***" h'"#),
        // A title; a command line cut in the middle of a quote.
        Case(["app --password hunter2 worker"], "app --password *** worker"),
        Case(["sh", "-c", "mysql -p'my sec"], "sh -c 'mysql -p***'"),
        // Tokens known by their shape.
        Case("app ghp_abcdefghijklmnopqrstuvwxyz0123456789", "app ghp_***"),
        Case(["app", "x=glpat-abcdefghij0123456789klmn,y"], "app x=glpat-***,y"),
    ]

    static let untouched: [String] = [
        "ssh -p 2222 host", "mkdir -p /x", "cp -p a b", "docker run -p 80:80 -u 1000:1000 nginx", "tar -xpf a.tar",
        "patch -p1", "ps -p 1", "nc -p 80 h", "psql -h mysql -p5432 -U u", "ffmpeg -pass 1 -i a.mp4 b.mp4",
        "docker login --password-stdin reg.io", "psql --password -U u db", "mysql -p db", "mysql --password -h h db",
        "ansible-playbook --ask-vault-pass --vault-password-file f s.yml", "gpg --passphrase-fd 0 --passphrase-file f",
        "curl --key client.pem --cacert ca.pem https://h/", "git log --author=me --oneline", "sort -k 2 -t : f",
        "sshd -D -o PasswordAuthentication=no -o PubkeyAuthentication=yes", "env PWD=/home/x OLDPWD=/y cmd",
        "env SSH_AUTH_SOCK=/run/x XAUTHORITY=/r/.X MONKEY=banana cmd", "Xorg :0 -auth /run/lightdm/x",
        "http-server --token-file /x --keyring y", "java -Djavax.net.ssl.keyStore=/a/b.jks -Xmx1g -cp a:b Main",
        "curl https://user@host:8080/path@v1", "curl http://host:8080/a@b", "dd if=/dev/zero of=/x bs=1M",
        "make -j4 CC=gcc CFLAGS=-O2", "ansible --private-key ~/.ssh/id_rsa all", "strace -p 77", "lsof -p 1,2",
        "docker build --secret id=npm,src=.npmrc .", "vllm --max-tokens 100 --tokenizer x", "kubelet --enable-auth=x",
        "python3 -m http.server 80", "git clone git@github.com:a/b.git", "openvpn --auth SHA256 --auth-user-pass /f",
        "rsync -a --password-file=/x a b", "find / -perm -4000 -print", "ssh-keygen -t ed25519 -f key",
        "psql -c select", "grep -r password /etc", "passwd root", "openssl s_client -connect h:443 -key k.pem",
        "app --sort-key=name --public-key=abc --partition-key id", "apt-key list", "redis-server *:6379",
        "mongod --auth --config /etc/mongod.conf", "curl -x http://[::1]:3128/ h", "ping -p ff h",
        "cut -d: -f1 /etc/passwd", "xargs -P 4 -n 1", "sh -c true", "jq .token f.json",
    ]

    private func render(_ arguments: [String], _ policy: CommandLinePolicy = .redacted) -> String? {
        policy.render(arguments.map { Array($0.utf8) })
    }

    @Test("what looks like a secret is hidden, and nothing else", arguments: hidden)
    func hides(expected: Case) { #expect(render(expected.arguments) == expected.line) }

    @Test("what is no secret stays", arguments: untouched)
    func keeps(line: String) {
        #expect(render(line.split(separator: " ").map(String.init)) == line)
        // Inside a shell's text as well.
        #expect(render(["sh", "-c", line])?.contains("***") == false)
    }

    @Test func textsWithBlanksThatAreNoCommandsStay() {
        for text in [
            "nginx: worker process", "postgres: user db 10.0.0.1(5432) idle", "don't panic, it's fine",
            "SELECT a FROM b WHERE c='d'", #"print("hello; world") # it's"#, "sshd: user [priv]",
            "a (b) & c | d < e > f",
            #"{"user":"x","n":1,"keys":["a"]}"#, "awk '{print $1}' f | sort -k2 | head -n 3",
        ] {
            #expect(render([text]) == text)
            #expect(render(["sh", "-c", text])?.contains("***") == false)
        }
    }

    @Test func thePoliciesAreThree() {
        let arguments = ["mysql", "-psecret", "a b"]
        #expect(render(arguments, .full) == "mysql -psecret 'a b'")
        #expect(render(arguments, .redacted) == "mysql -p*** 'a b'")
        #expect(render(arguments, .none) == nil)
        #expect(render([], .full) == nil)
        #expect(CommandLinePolicy(rawValue: "redacted") == .redacted)
    }

    @Test func argumentsAreQuotedAsAShellWouldReadThem() {
        #expect(
            render(["a", "", "b c", "it's", "d\"e", "x'$y", "$HOME", "*.c", "a=b", "ü"], .full)
                == #"a '' 'b c' "it's" 'd"e' 'x'\''$y' '$HOME' *.c a=b ü"#)
    }

    @Test func bytesThatAreNotUTF8AreReplaced() {
        #expect(CommandLinePolicy.full.render([[0x61], [0xff, 0x62]]) == "a \u{fffd}b")
        #expect(
            CommandLinePolicy.redacted.render([[0x61], Array("--password=".utf8) + [0xff, 0xfe]]) == "a --password=***")
    }

    @Test func hostileArgumentsNeitherTrapNorGrowNorTakeLong() {
        var generator = FixedSeed(state: 99)
        let pieces = [
            "password", "=", ":", "://", "@", "-", "--", "\"", "'", "\\", " ", "{", "}", "?", "&", ";", ",", "token",
            "-p",
            "curl ", "mysql ", "openssl ", "-pass ", "Authorization: ", "=>", "\n", "x", "/", "pass:", "-H", "-u",
            "sh -c ",
            "\u{0}", "ü", "ghp_abcdefghijklmnopqrstuvwxyz0123", "-D", "-P", "login ", "/p:", "sqlplus ", "#", "|", "(",
        ]
        for _ in 0..<5_000 {
            let arguments = (0..<Int.random(in: 0...6, using: &generator)).map { _ in
                Array(
                    (0..<Int.random(in: 0...12, using: &generator)).map { _ in pieces.randomElement(using: &generator)!
                    }
                    .joined().utf8)
            }
            let size = arguments.reduce(0) { $0 + $1.count }
            let line = CommandLinePolicy.redacted.render(arguments) ?? ""
            #expect(line.utf8.count <= 8 * size + 4 * arguments.count)
        }
        // Whatever is repeated: 100,000 bytes are done in far less than a second, in a debug build too.
        let clock = ContinuousClock()
        for piece in pieces + ["\"password\":", "\\\"", "a=", "?key=", ",a", "://a:b", "'a\"", "--password=", "\" ' "] {
            let argument = Array(String(repeating: piece, count: 100_000 / piece.utf8.count).utf8)
            let elapsed = clock.measure { _ = CommandLinePolicy.redacted.render([[0x78], argument]) }
            #expect(elapsed < .seconds(10), "\(piece) took \(elapsed)")
        }
    }
}
