/// Which programs take a secret by a short option or a word: the table, and what its columns mean.
extension CommandLineRedaction {
    /// What a program's short options mean. Each set lists option letters.
    struct Program {
        /// `-pSECRET` in one word.
        var attached = ""
        /// `-p SECRET` in two.
        var separate = ""
        /// `-u user:SECRET`
        var pair = ""
        /// The character between user and secret in `pair`.
        var separator = UInt8(ascii: ":")
        /// Only after `login`: everywhere else -p is a port.
        var needsLogin = false
        /// Runs another program, whose rules then count.
        var isWrapper = false
        /// `--password` asks for one, and takes none in the next word.
        var asksForPassword = false
        /// Takes `user/SECRET@service`.
        var takesSlashLogin = false
        /// Words, not options, that are followed by a secret.
        var secretWords: Set<String> = []
    }

    static func program(_ word: some Collection<UInt8>) -> Program? {
        guard word.count < 256 else { return nil }
        let name: String
        if let slash = Array(word).lastIndex(of: UInt8(ascii: "/")) {
            name = String(decoding: word.dropFirst(slash + 1), as: UTF8.self)
        } else {
            name = String(decoding: word, as: UTF8.self)
        }
        if let known = programs[name] { return known }
        if name.hasPrefix("python") || name.hasPrefix("perl") || name.hasPrefix("ruby") || name.hasPrefix("php") {
            return Program(isWrapper: true)
        }
        if name.hasPrefix("pt-") { return Program(attached: "p", separate: "p") }
        return nil
    }

    private static let programs: [String: Program] = {
        var table: [String: Program] = [:]
        func add(_ names: String, _ program: Program) {
            for name in names.split(separator: " ") { table[String(name)] = program }
        }
        add(
            """
            mysql mysqldump mysqladmin mysqlimport mysqlcheck mysqlshow mysqlpump mysqlbinlog mysqlslap mysqlsh \
            mysql_upgrade mariadb mariadb-dump mariadb-admin mariadb-import mariadb-check mariadb-show mariadb-binlog \
            mariadb-slap mariadb-backup mariabackup xtrabackup innobackupex mytop
            """, Program(attached: "p", asksForPassword: true))
        add("mycli", Program(attached: "p", separate: "p"))
        add(
            "psql pg_dump pg_dumpall pg_restore pg_basebackup createdb dropdb vacuumdb reindexdb pg_isready pgbench",
            Program(asksForPassword: true))
        add("sshpass", Program(attached: "p", separate: "p", isWrapper: true))
        add(
            """
            mongo mongosh mongodump mongorestore mongoexport mongoimport mongostat mongotop mydumper myloader cqlsh \
            rabbitmqadmin rdesktop useradd usermod ncftpput ncftpget ncftpls
            """, Program(attached: "p", separate: "p"))
        add(
            "docker podman nerdctl buildah skopeo helm oras crane az cf oc argocd",
            Program(attached: "p", separate: "p", needsLogin: true, isWrapper: true))
        add("curl", Program(attached: "b", separate: "b", pair: "uUE"))
        add("http https xh", Program(pair: "a"))
        add("redis-cli redis-benchmark valkey-cli keydb-cli", Program(separate: "a"))
        add(
            "ldapsearch ldapmodify ldapadd ldapdelete ldapwhoami ldapcompare ldapmodrdn ldapexop",
            Program(attached: "w", separate: "w"))
        add("ldappasswd", Program(attached: "was", separate: "was"))
        add("sqlcmd bcp osql tsql isql unzip zip zipcloak", Program(attached: "P", separate: "P"))
        add("7z 7za 7zr 7zz rar unrar", Program(attached: "p"))
        add("ipmitool", Program(separate: "P"))
        add("ssh-keygen", Program(attached: "NP", separate: "NP"))
        add(
            "snmpget snmpgetnext snmpwalk snmpbulkwalk snmpbulkget snmpset snmptrap",
            Program(attached: "cAX", separate: "cAX"))
        add("smbclient rpcclient net smbget smbmap", Program(pair: "U", separator: UInt8(ascii: "%")))
        add("lftp", Program(pair: "u", separator: UInt8(ascii: ",")))
        add("sqlplus expdp impdp exp imp sqlldr", Program(takesSlashLogin: true))
        add("openssl", Program(separate: "kK"))
        add(
            "nmcli", Program(secretWords: ["password", "wifi-sec.psk", "802-11-wireless-security.psk", "vpn.secrets"]))
        add("aws", Program(secretWords: ["aws_secret_access_key", "aws_session_token"]))
        add(
            """
            sh bash dash zsh ksh fish busybox env sudo doas su runuser timeout nice ionice nohup setsid stdbuf xargs \
            time watch strace ltrace gdb valgrind ssh chroot nsenter unshare systemd-run setpriv taskset numactl \
            chrt flock script tini dumb-init gosu su-exec catchsegv kubectl crictl ctr lxc lxc-attach lxc-execute \
            machinectl node java find parallel ionice cgexec firejail bwrap unbuffer expect screen tmux
            """, Program(isWrapper: true))
        return table
    }()
}
