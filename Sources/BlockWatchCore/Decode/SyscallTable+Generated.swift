// Made by tools/gen-syscalls.py (make syscalls) from the kernel's headers and tools/syscalls.classes: edit those.
// number, name, class, descriptor argument, moves bytes, time-out argument, what it waits for

extension SyscallTable {
    static let x86_64Rows = """
        0	read	descriptor	0	bytes	-	data to read
        1	write	descriptor	0	bytes	-	room to write, or the disk
        2	open	path	-	-	-	the file to open: a FIFO's other end, a device, a server
        3	close	descriptor	0	-	-	the last user's data to be written back
        4	stat	path	-	-	-	the file system
        5	fstat	descriptor	0	-	-	the file system
        6	lstat	path	-	-	-	the file system
        7	poll	set	-	-	2:milliseconds	one of a set of descriptors
        8	lseek	descriptor	0	-	-	the file system
        9	mmap	memory	-	-	-	the lock of the address space, or pages
        10	mprotect	memory	-	-	-	the lock of the address space, or pages
        11	munmap	memory	-	-	-	the lock of the address space, or pages
        12	brk	none	-	-	-	nothing
        13	rt_sigaction	none	-	-	-	nothing
        14	rt_sigprocmask	none	-	-	-	nothing
        15	rt_sigreturn	sigreturn	-	-	-	ends a signal handler
        16	ioctl	descriptor	0	-	-	the device or file system behind the descriptor
        17	pread64	descriptor	0	bytes	-	data to read
        18	pwrite64	descriptor	0	bytes	-	room to write, or the disk
        19	readv	descriptor	0	bytes	-	data to read
        20	writev	descriptor	0	bytes	-	room to write, or the disk
        21	access	path	-	-	-	the file system
        22	pipe	none	-	-	-	nothing
        23	select	set	-	-	4:timeval	one of a set of descriptors
        24	sched_yield	none	-	-	-	nothing
        25	mremap	memory	-	-	-	the lock of the address space, or pages
        26	msync	memory	-	-	-	data to reach the disk
        27	mincore	memory	-	-	-	the lock of the address space, or pages
        28	madvise	memory	-	-	-	the lock of the address space, or pages
        29	shmget	ipc	-	-	-	the SysV object's lock
        30	shmat	ipc	-	-	-	the SysV object's lock
        31	shmctl	ipc	-	-	-	the SysV object's lock
        32	dup	none	-	-	-	nothing
        33	dup2	descriptor	0	-	-	the descriptor that this replaces to be closed
        34	pause	signal	-	-	-	a signal
        35	nanosleep	time	-	-	0:timespec	the time to pass
        36	getitimer	none	-	-	-	nothing
        37	alarm	none	-	-	-	nothing
        38	setitimer	none	-	-	-	nothing
        39	getpid	none	-	-	-	nothing
        40	sendfile	descriptor	0	bytes	-	room to send, or the disk
        41	socket	none	-	-	-	nothing
        42	connect	descriptor	0	-	-	the other side to answer
        43	accept	descriptor	0	-	-	a connection to accept
        44	sendto	descriptor	0	bytes	-	room to send
        45	recvfrom	descriptor	0	bytes	-	data to receive
        46	sendmsg	descriptor	0	bytes	-	room to send
        47	recvmsg	descriptor	0	bytes	-	data to receive
        48	shutdown	descriptor	0	-	-	the socket
        49	bind	none	-	-	-	nothing
        50	listen	none	-	-	-	nothing
        51	getsockname	none	-	-	-	nothing
        52	getpeername	none	-	-	-	nothing
        53	socketpair	none	-	-	-	nothing
        54	setsockopt	none	-	-	-	nothing
        55	getsockopt	none	-	-	-	nothing
        56	clone	process	-	-	-	the child to run a program or end, with CLONE_VFORK
        57	fork	process	-	-	-	the child's memory to be copied
        58	vfork	process	-	-	-	the child to run a program or end
        59	execve	path	-	-	-	the program's file
        60	exit	none	-	-	-	nothing
        61	wait4	process	-	-	-	a child to change state
        62	kill	none	-	-	-	nothing
        63	uname	none	-	-	-	nothing
        64	semget	ipc	-	-	-	the SysV object's lock
        65	semop	ipc	-	-	-	the semaphores
        66	semctl	ipc	-	-	-	the SysV object's lock
        67	shmdt	ipc	-	-	-	the SysV object's lock
        68	msgget	ipc	-	-	-	the SysV object's lock
        69	msgsnd	ipc	-	-	-	room in the message queue
        70	msgrcv	ipc	-	-	-	a message in the queue
        71	msgctl	ipc	-	-	-	the SysV object's lock
        72	fcntl	lock	0	-	-	a file lock
        73	flock	lock	0	-	-	a file lock
        74	fsync	descriptor	0	-	-	data to reach the disk
        75	fdatasync	descriptor	0	-	-	data to reach the disk
        76	truncate	path	-	-	-	the file system
        77	ftruncate	descriptor	0	-	-	the file system
        78	getdents	descriptor	0	-	-	the file system
        79	getcwd	none	-	-	-	nothing
        80	chdir	path	-	-	-	the file system
        81	fchdir	descriptor	0	-	-	the file system
        82	rename	path	-	-	-	the file system
        83	mkdir	path	-	-	-	the file system
        84	rmdir	path	-	-	-	the file system
        85	creat	path	-	-	-	the file to open: a FIFO's other end, a device, a server
        86	link	path	-	-	-	the file system
        87	unlink	path	-	-	-	the file system
        88	symlink	path	-	-	-	the file system
        89	readlink	path	-	-	-	the file system
        90	chmod	path	-	-	-	the file system
        91	fchmod	descriptor	0	-	-	the file system
        92	chown	path	-	-	-	the file system
        93	fchown	descriptor	0	-	-	the file system
        94	lchown	path	-	-	-	the file system
        95	umask	none	-	-	-	nothing
        96	gettimeofday	none	-	-	-	nothing
        97	getrlimit	none	-	-	-	nothing
        98	getrusage	none	-	-	-	nothing
        99	sysinfo	none	-	-	-	nothing
        100	times	none	-	-	-	nothing
        101	ptrace	process	-	-	-	the traced process
        102	getuid	none	-	-	-	nothing
        103	syslog	kernel	-	-	-	the kernel
        104	getgid	none	-	-	-	nothing
        105	setuid	none	-	-	-	nothing
        106	setgid	none	-	-	-	nothing
        107	geteuid	none	-	-	-	nothing
        108	getegid	none	-	-	-	nothing
        109	setpgid	none	-	-	-	nothing
        110	getppid	none	-	-	-	nothing
        111	getpgrp	none	-	-	-	nothing
        112	setsid	none	-	-	-	nothing
        113	setreuid	none	-	-	-	nothing
        114	setregid	none	-	-	-	nothing
        115	getgroups	none	-	-	-	nothing
        116	setgroups	none	-	-	-	nothing
        117	setresuid	none	-	-	-	nothing
        118	getresuid	none	-	-	-	nothing
        119	setresgid	none	-	-	-	nothing
        120	getresgid	none	-	-	-	nothing
        121	getpgid	none	-	-	-	nothing
        122	setfsuid	none	-	-	-	nothing
        123	setfsgid	none	-	-	-	nothing
        124	getsid	none	-	-	-	nothing
        125	capget	none	-	-	-	nothing
        126	capset	none	-	-	-	nothing
        127	rt_sigpending	none	-	-	-	nothing
        128	rt_sigtimedwait	signal	-	-	2:timespec	a signal of a set
        129	rt_sigqueueinfo	none	-	-	-	nothing
        130	rt_sigsuspend	signal	-	-	-	a signal
        131	sigaltstack	none	-	-	-	nothing
        132	utime	path	-	-	-	the file system
        133	mknod	path	-	-	-	the file system
        134	uselib	path	-	-	-	the program's file
        135	personality	none	-	-	-	nothing
        136	ustat	none	-	-	-	nothing
        137	statfs	path	-	-	-	the file system
        138	fstatfs	descriptor	0	-	-	the file system
        139	sysfs	kernel	-	-	-	the kernel
        140	getpriority	none	-	-	-	nothing
        141	setpriority	none	-	-	-	nothing
        142	sched_setparam	none	-	-	-	nothing
        143	sched_getparam	none	-	-	-	nothing
        144	sched_setscheduler	none	-	-	-	nothing
        145	sched_getscheduler	none	-	-	-	nothing
        146	sched_get_priority_max	none	-	-	-	nothing
        147	sched_get_priority_min	none	-	-	-	nothing
        148	sched_rr_get_interval	none	-	-	-	nothing
        149	mlock	memory	-	-	-	the lock of the address space, or pages
        150	munlock	memory	-	-	-	the lock of the address space, or pages
        151	mlockall	memory	-	-	-	the lock of the address space, or pages
        152	munlockall	memory	-	-	-	the lock of the address space, or pages
        153	vhangup	none	-	-	-	nothing
        154	modify_ldt	none	-	-	-	nothing
        155	pivot_root	path	-	-	-	the file system to be mounted or let go
        156	_sysctl	kernel	-	-	-	the kernel
        157	prctl	kernel	-	-	-	the kernel
        158	arch_prctl	kernel	-	-	-	the kernel
        159	adjtimex	none	-	-	-	nothing
        160	setrlimit	none	-	-	-	nothing
        161	chroot	path	-	-	-	the file system
        162	sync	kernel	-	-	-	all data to reach the disks
        163	acct	path	-	-	-	the file system
        164	settimeofday	none	-	-	-	nothing
        165	mount	path	-	-	-	the file system to be mounted or let go
        166	umount2	path	-	-	-	the file system to be mounted or let go
        167	swapon	path	-	-	-	the file system to be mounted or let go
        168	swapoff	path	-	-	-	the file system to be mounted or let go
        169	reboot	kernel	-	-	-	the kernel
        170	sethostname	kernel	-	-	-	the kernel
        171	setdomainname	kernel	-	-	-	the kernel
        172	iopl	none	-	-	-	nothing
        173	ioperm	none	-	-	-	nothing
        174	create_module	kernel	-	-	-	the module
        175	init_module	kernel	-	-	-	the module
        176	delete_module	kernel	-	-	-	the module
        177	get_kernel_syms	none	-	-	-	nothing
        178	query_module	none	-	-	-	nothing
        179	quotactl	kernel	-	-	-	the kernel
        180	nfsservctl	kernel	-	-	-	the kernel
        181	getpmsg	none	-	-	-	nothing
        182	putpmsg	none	-	-	-	nothing
        183	afs_syscall	none	-	-	-	nothing
        184	tuxcall	none	-	-	-	nothing
        185	security	none	-	-	-	nothing
        186	gettid	none	-	-	-	nothing
        187	readahead	descriptor	0	-	-	the file system
        188	setxattr	path	-	-	-	the file system
        189	lsetxattr	path	-	-	-	the file system
        190	fsetxattr	descriptor	0	-	-	the file system
        191	getxattr	path	-	-	-	the file system
        192	lgetxattr	path	-	-	-	the file system
        193	fgetxattr	descriptor	0	-	-	the file system
        194	listxattr	path	-	-	-	the file system
        195	llistxattr	path	-	-	-	the file system
        196	flistxattr	descriptor	0	-	-	the file system
        197	removexattr	path	-	-	-	the file system
        198	lremovexattr	path	-	-	-	the file system
        199	fremovexattr	descriptor	0	-	-	the file system
        200	tkill	none	-	-	-	nothing
        201	time	none	-	-	-	nothing
        202	futex	memory	-	-	3:timespec	the word of memory to change
        203	sched_setaffinity	none	-	-	-	nothing
        204	sched_getaffinity	none	-	-	-	nothing
        205	set_thread_area	none	-	-	-	nothing
        206	io_setup	none	-	-	-	nothing
        207	io_destroy	set	-	-	-	asynchronous I/O to be taken or ended
        208	io_getevents	set	-	-	4:timespec	a completion of asynchronous I/O
        209	io_submit	set	-	-	-	asynchronous I/O to be taken or ended
        210	io_cancel	set	-	-	-	asynchronous I/O to be taken or ended
        211	get_thread_area	none	-	-	-	nothing
        212	lookup_dcookie	kernel	-	-	-	the kernel
        213	epoll_create	none	-	-	-	nothing
        214	epoll_ctl_old	none	-	-	-	nothing
        215	epoll_wait_old	none	-	-	-	nothing
        216	remap_file_pages	memory	-	-	-	the lock of the address space, or pages
        217	getdents64	descriptor	0	-	-	the file system
        218	set_tid_address	none	-	-	-	nothing
        219	restart_syscall	restart	-	-	-	goes on with the call that a signal interrupted
        220	semtimedop	ipc	-	-	3:timespec	the semaphores
        221	fadvise64	descriptor	0	-	-	the file system
        222	timer_create	none	-	-	-	nothing
        223	timer_settime	none	-	-	-	nothing
        224	timer_gettime	none	-	-	-	nothing
        225	timer_getoverrun	none	-	-	-	nothing
        226	timer_delete	none	-	-	-	nothing
        227	clock_settime	none	-	-	-	nothing
        228	clock_gettime	none	-	-	-	nothing
        229	clock_getres	none	-	-	-	nothing
        230	clock_nanosleep	time	-	-	2:timespec	the time to pass
        231	exit_group	none	-	-	-	nothing
        232	epoll_wait	set	0	-	3:milliseconds	an event of the epoll set
        233	epoll_ctl	none	-	-	-	nothing
        234	tgkill	none	-	-	-	nothing
        235	utimes	path	-	-	-	the file system
        236	vserver	none	-	-	-	nothing
        237	mbind	memory	-	-	-	the lock of the address space, or pages
        238	set_mempolicy	memory	-	-	-	the lock of the address space, or pages
        239	get_mempolicy	none	-	-	-	nothing
        240	mq_open	path	-	-	-	the file system
        241	mq_unlink	path	-	-	-	the file system
        242	mq_timedsend	descriptor	0	-	-	room in the message queue
        243	mq_timedreceive	descriptor	0	-	-	a message in the queue
        244	mq_notify	none	-	-	-	nothing
        245	mq_getsetattr	none	-	-	-	nothing
        246	kexec_load	kernel	-	-	-	the kernel
        247	waitid	process	1	-	-	a child to change state
        248	add_key	kernel	-	-	-	a key, or whoever makes it
        249	request_key	kernel	-	-	-	a key, or whoever makes it
        250	keyctl	kernel	-	-	-	a key, or whoever makes it
        251	ioprio_set	none	-	-	-	nothing
        252	ioprio_get	none	-	-	-	nothing
        253	inotify_init	none	-	-	-	nothing
        254	inotify_add_watch	descriptor	0	-	-	the inotify or fanotify group
        255	inotify_rm_watch	none	-	-	-	nothing
        256	migrate_pages	memory	-	-	-	the lock of the address space, or pages
        257	openat	path	dir0	-	-	the file to open: a FIFO's other end, a device, a server
        258	mkdirat	path	dir0	-	-	the file system
        259	mknodat	path	dir0	-	-	the file system
        260	fchownat	path	dir0	-	-	the file system
        261	futimesat	path	dir0	-	-	the file system
        262	newfstatat	path	dir0	-	-	the file system
        263	unlinkat	path	dir0	-	-	the file system
        264	renameat	path	dir0	-	-	the file system
        265	linkat	path	dir0	-	-	the file system
        266	symlinkat	path	-	-	-	the file system
        267	readlinkat	path	dir0	-	-	the file system
        268	fchmodat	path	dir0	-	-	the file system
        269	faccessat	path	dir0	-	-	the file system
        270	pselect6	set	-	-	4:timespec	one of a set of descriptors
        271	ppoll	set	-	-	2:timespec	one of a set of descriptors
        272	unshare	kernel	-	-	-	the kernel
        273	set_robust_list	none	-	-	-	nothing
        274	get_robust_list	none	-	-	-	nothing
        275	splice	descriptor	0	bytes	-	data or room in one of two descriptors
        276	tee	descriptor	0	bytes	-	data or room in one of two descriptors
        277	sync_file_range	descriptor	0	-	-	data to reach the disk
        278	vmsplice	descriptor	0	bytes	-	data or room in one of two descriptors
        279	move_pages	memory	-	-	-	the lock of the address space, or pages
        280	utimensat	path	dir0	-	-	the file system
        281	epoll_pwait	set	0	-	3:milliseconds	an event of the epoll set
        282	signalfd	none	-	-	-	nothing
        283	timerfd_create	none	-	-	-	nothing
        284	eventfd	none	-	-	-	nothing
        285	fallocate	descriptor	0	-	-	the file system
        286	timerfd_settime	none	-	-	-	nothing
        287	timerfd_gettime	none	-	-	-	nothing
        288	accept4	descriptor	0	-	-	a connection to accept
        289	signalfd4	none	-	-	-	nothing
        290	eventfd2	none	-	-	-	nothing
        291	epoll_create1	none	-	-	-	nothing
        292	dup3	descriptor	0	-	-	the descriptor that this replaces to be closed
        293	pipe2	none	-	-	-	nothing
        294	inotify_init1	none	-	-	-	nothing
        295	preadv	descriptor	0	bytes	-	data to read
        296	pwritev	descriptor	0	bytes	-	room to write, or the disk
        297	rt_tgsigqueueinfo	none	-	-	-	nothing
        298	perf_event_open	kernel	-	-	-	the kernel
        299	recvmmsg	descriptor	0	bytes	4:timespec	messages to receive
        300	fanotify_init	none	-	-	-	nothing
        301	fanotify_mark	descriptor	0	-	-	the inotify or fanotify group
        302	prlimit64	none	-	-	-	nothing
        303	name_to_handle_at	path	dir0	-	-	the file system
        304	open_by_handle_at	descriptor	0	-	-	the file to open
        305	clock_adjtime	none	-	-	-	nothing
        306	syncfs	descriptor	0	-	-	data to reach the disk
        307	sendmmsg	descriptor	0	bytes	-	room to send
        308	setns	kernel	-	-	-	the kernel
        309	getcpu	none	-	-	-	nothing
        310	process_vm_readv	memory	-	-	-	the other process's memory
        311	process_vm_writev	memory	-	-	-	the other process's memory
        312	kcmp	memory	-	-	-	the other process's memory
        313	finit_module	kernel	-	-	-	the module
        314	sched_setattr	none	-	-	-	nothing
        315	sched_getattr	none	-	-	-	nothing
        316	renameat2	path	dir0	-	-	the file system
        317	seccomp	kernel	-	-	-	the kernel
        318	getrandom	kernel	-	-	-	randomness
        319	memfd_create	none	-	-	-	nothing
        320	kexec_file_load	kernel	-	-	-	the kernel
        321	bpf	kernel	-	-	-	the kernel
        322	execveat	path	dir0	-	-	the program's file
        323	userfaultfd	kernel	-	-	-	the kernel
        324	membarrier	kernel	-	-	-	the kernel
        325	mlock2	memory	-	-	-	the lock of the address space, or pages
        326	copy_file_range	descriptor	0	bytes	-	room to send, or the disk
        327	preadv2	descriptor	0	bytes	-	data to read
        328	pwritev2	descriptor	0	bytes	-	room to write, or the disk
        329	pkey_mprotect	memory	-	-	-	the lock of the address space, or pages
        330	pkey_alloc	none	-	-	-	nothing
        331	pkey_free	none	-	-	-	nothing
        332	statx	path	dir0	-	-	the file system
        333	io_pgetevents	set	-	-	4:timespec	a completion of asynchronous I/O
        334	rseq	none	-	-	-	nothing
        424	pidfd_send_signal	none	-	-	-	nothing
        425	io_uring_setup	none	-	-	-	nothing
        426	io_uring_enter	set	0	-	-	a completion in the ring
        427	io_uring_register	descriptor	0	-	-	the ring
        428	open_tree	path	dir0	-	-	the file system
        429	move_mount	path	dir0	-	-	the file system
        430	fsopen	kernel	-	-	-	the kernel
        431	fsconfig	descriptor	0	-	-	the file system
        432	fsmount	descriptor	0	-	-	the file system
        433	fspick	path	dir0	-	-	the file system
        434	pidfd_open	none	-	-	-	nothing
        435	clone3	process	-	-	-	the child to run a program or end, with CLONE_VFORK
        436	close_range	descriptor	-	-	-	each file's data to be written back
        437	openat2	path	dir0	-	-	the file to open: a FIFO's other end, a device, a server
        438	pidfd_getfd	kernel	-	-	-	the kernel
        439	faccessat2	path	dir0	-	-	the file system
        440	process_madvise	memory	-	-	-	the lock of the address space, or pages
        441	epoll_pwait2	set	0	-	3:timespec	an event of the epoll set
        442	mount_setattr	path	dir0	-	-	the file system
        443	quotactl_fd	descriptor	0	-	-	the file system
        444	landlock_create_ruleset	none	-	-	-	nothing
        445	landlock_add_rule	none	-	-	-	nothing
        446	landlock_restrict_self	kernel	-	-	-	the kernel
        447	memfd_secret	none	-	-	-	nothing
        448	process_mrelease	memory	-	-	-	the lock of the address space, or pages
        449	futex_waitv	memory	-	-	-	one of several words of memory to change
        450	set_mempolicy_home_node	memory	-	-	-	the lock of the address space, or pages
        451	cachestat	descriptor	0	-	-	the file system
        452	fchmodat2	path	dir0	-	-	the file system
        453	map_shadow_stack	memory	-	-	-	the lock of the address space, or pages
        454	futex_wake	none	-	-	-	nothing
        455	futex_wait	memory	-	-	-	the word of memory to change
        456	futex_requeue	memory	-	-	-	the word of memory to change
        457	statmount	kernel	-	-	-	the kernel
        458	listmount	kernel	-	-	-	the kernel
        459	lsm_get_self_attr	none	-	-	-	nothing
        460	lsm_set_self_attr	none	-	-	-	nothing
        461	lsm_list_modules	none	-	-	-	nothing
        462	mseal	memory	-	-	-	the lock of the address space, or pages
        463	setxattrat	path	dir0	-	-	the file system
        464	getxattrat	path	dir0	-	-	the file system
        465	listxattrat	path	dir0	-	-	the file system
        466	removexattrat	path	dir0	-	-	the file system
        467	open_tree_attr	path	dir0	-	-	the file system
        468	file_getattr	path	dir0	-	-	the file system
        469	file_setattr	path	dir0	-	-	the file system
        """

    static let i386Rows = """
        0	restart_syscall	restart	-	-	-	goes on with the call that a signal interrupted
        1	exit	none	-	-	-	nothing
        2	fork	process	-	-	-	the child's memory to be copied
        3	read	descriptor	0	bytes	-	data to read
        4	write	descriptor	0	bytes	-	room to write, or the disk
        5	open	path	-	-	-	the file to open: a FIFO's other end, a device, a server
        6	close	descriptor	0	-	-	the last user's data to be written back
        7	waitpid	process	-	-	-	a child to change state
        8	creat	path	-	-	-	the file to open: a FIFO's other end, a device, a server
        9	link	path	-	-	-	the file system
        10	unlink	path	-	-	-	the file system
        11	execve	path	-	-	-	the program's file
        12	chdir	path	-	-	-	the file system
        13	time	none	-	-	-	nothing
        14	mknod	path	-	-	-	the file system
        15	chmod	path	-	-	-	the file system
        16	lchown	path	-	-	-	the file system
        17	break	none	-	-	-	nothing
        18	oldstat	path	-	-	-	the file system
        19	lseek	descriptor	0	-	-	the file system
        20	getpid	none	-	-	-	nothing
        21	mount	path	-	-	-	the file system to be mounted or let go
        22	umount	path	-	-	-	the file system to be mounted or let go
        23	setuid	none	-	-	-	nothing
        24	getuid	none	-	-	-	nothing
        25	stime	none	-	-	-	nothing
        26	ptrace	process	-	-	-	the traced process
        27	alarm	none	-	-	-	nothing
        28	oldfstat	descriptor	0	-	-	the file system
        29	pause	signal	-	-	-	a signal
        30	utime	path	-	-	-	the file system
        31	stty	none	-	-	-	nothing
        32	gtty	none	-	-	-	nothing
        33	access	path	-	-	-	the file system
        34	nice	none	-	-	-	nothing
        35	ftime	none	-	-	-	nothing
        36	sync	kernel	-	-	-	all data to reach the disks
        37	kill	none	-	-	-	nothing
        38	rename	path	-	-	-	the file system
        39	mkdir	path	-	-	-	the file system
        40	rmdir	path	-	-	-	the file system
        41	dup	none	-	-	-	nothing
        42	pipe	none	-	-	-	nothing
        43	times	none	-	-	-	nothing
        44	prof	none	-	-	-	nothing
        45	brk	none	-	-	-	nothing
        46	setgid	none	-	-	-	nothing
        47	getgid	none	-	-	-	nothing
        48	signal	none	-	-	-	nothing
        49	geteuid	none	-	-	-	nothing
        50	getegid	none	-	-	-	nothing
        51	acct	path	-	-	-	the file system
        52	umount2	path	-	-	-	the file system to be mounted or let go
        53	lock	none	-	-	-	nothing
        54	ioctl	descriptor	0	-	-	the device or file system behind the descriptor
        55	fcntl	lock	0	-	-	a file lock
        56	mpx	none	-	-	-	nothing
        57	setpgid	none	-	-	-	nothing
        58	ulimit	none	-	-	-	nothing
        59	oldolduname	none	-	-	-	nothing
        60	umask	none	-	-	-	nothing
        61	chroot	path	-	-	-	the file system
        62	ustat	none	-	-	-	nothing
        63	dup2	descriptor	0	-	-	the descriptor that this replaces to be closed
        64	getppid	none	-	-	-	nothing
        65	getpgrp	none	-	-	-	nothing
        66	setsid	none	-	-	-	nothing
        67	sigaction	none	-	-	-	nothing
        68	sgetmask	none	-	-	-	nothing
        69	ssetmask	none	-	-	-	nothing
        70	setreuid	none	-	-	-	nothing
        71	setregid	none	-	-	-	nothing
        72	sigsuspend	signal	-	-	-	a signal
        73	sigpending	none	-	-	-	nothing
        74	sethostname	kernel	-	-	-	the kernel
        75	setrlimit	none	-	-	-	nothing
        76	getrlimit	none	-	-	-	nothing
        77	getrusage	none	-	-	-	nothing
        78	gettimeofday	none	-	-	-	nothing
        79	settimeofday	none	-	-	-	nothing
        80	getgroups	none	-	-	-	nothing
        81	setgroups	none	-	-	-	nothing
        82	select	set	-	-	4:timeval32	one of a set of descriptors
        83	symlink	path	-	-	-	the file system
        84	oldlstat	path	-	-	-	the file system
        85	readlink	path	-	-	-	the file system
        86	uselib	path	-	-	-	the program's file
        87	swapon	path	-	-	-	the file system to be mounted or let go
        88	reboot	kernel	-	-	-	the kernel
        89	readdir	descriptor	0	-	-	the file system
        90	mmap	memory	-	-	-	the lock of the address space, or pages
        91	munmap	memory	-	-	-	the lock of the address space, or pages
        92	truncate	path	-	-	-	the file system
        93	ftruncate	descriptor	0	-	-	the file system
        94	fchmod	descriptor	0	-	-	the file system
        95	fchown	descriptor	0	-	-	the file system
        96	getpriority	none	-	-	-	nothing
        97	setpriority	none	-	-	-	nothing
        98	profil	none	-	-	-	nothing
        99	statfs	path	-	-	-	the file system
        100	fstatfs	descriptor	0	-	-	the file system
        101	ioperm	none	-	-	-	nothing
        102	socketcall	descriptor	-	bytes	-	the socket call that its first argument names
        103	syslog	kernel	-	-	-	the kernel
        104	setitimer	none	-	-	-	nothing
        105	getitimer	none	-	-	-	nothing
        106	stat	path	-	-	-	the file system
        107	lstat	path	-	-	-	the file system
        108	fstat	descriptor	0	-	-	the file system
        109	olduname	none	-	-	-	nothing
        110	iopl	none	-	-	-	nothing
        111	vhangup	none	-	-	-	nothing
        112	idle	none	-	-	-	nothing
        113	vm86old	none	-	-	-	nothing
        114	wait4	process	-	-	-	a child to change state
        115	swapoff	path	-	-	-	the file system to be mounted or let go
        116	sysinfo	none	-	-	-	nothing
        117	ipc	ipc	-	-	-	the SysV call that its first argument names
        118	fsync	descriptor	0	-	-	data to reach the disk
        119	sigreturn	sigreturn	-	-	-	ends a signal handler
        120	clone	process	-	-	-	the child to run a program or end, with CLONE_VFORK
        121	setdomainname	kernel	-	-	-	the kernel
        122	uname	none	-	-	-	nothing
        123	modify_ldt	none	-	-	-	nothing
        124	adjtimex	none	-	-	-	nothing
        125	mprotect	memory	-	-	-	the lock of the address space, or pages
        126	sigprocmask	none	-	-	-	nothing
        127	create_module	kernel	-	-	-	the module
        128	init_module	kernel	-	-	-	the module
        129	delete_module	kernel	-	-	-	the module
        130	get_kernel_syms	none	-	-	-	nothing
        131	quotactl	kernel	-	-	-	the kernel
        132	getpgid	none	-	-	-	nothing
        133	fchdir	descriptor	0	-	-	the file system
        134	bdflush	none	-	-	-	nothing
        135	sysfs	kernel	-	-	-	the kernel
        136	personality	none	-	-	-	nothing
        137	afs_syscall	none	-	-	-	nothing
        138	setfsuid	none	-	-	-	nothing
        139	setfsgid	none	-	-	-	nothing
        140	_llseek	descriptor	0	-	-	the file system
        141	getdents	descriptor	0	-	-	the file system
        142	_newselect	set	-	-	4:timeval32	one of a set of descriptors
        143	flock	lock	0	-	-	a file lock
        144	msync	memory	-	-	-	data to reach the disk
        145	readv	descriptor	0	bytes	-	data to read
        146	writev	descriptor	0	bytes	-	room to write, or the disk
        147	getsid	none	-	-	-	nothing
        148	fdatasync	descriptor	0	-	-	data to reach the disk
        149	_sysctl	kernel	-	-	-	the kernel
        150	mlock	memory	-	-	-	the lock of the address space, or pages
        151	munlock	memory	-	-	-	the lock of the address space, or pages
        152	mlockall	memory	-	-	-	the lock of the address space, or pages
        153	munlockall	memory	-	-	-	the lock of the address space, or pages
        154	sched_setparam	none	-	-	-	nothing
        155	sched_getparam	none	-	-	-	nothing
        156	sched_setscheduler	none	-	-	-	nothing
        157	sched_getscheduler	none	-	-	-	nothing
        158	sched_yield	none	-	-	-	nothing
        159	sched_get_priority_max	none	-	-	-	nothing
        160	sched_get_priority_min	none	-	-	-	nothing
        161	sched_rr_get_interval	none	-	-	-	nothing
        162	nanosleep	time	-	-	0:timespec32	the time to pass
        163	mremap	memory	-	-	-	the lock of the address space, or pages
        164	setresuid	none	-	-	-	nothing
        165	getresuid	none	-	-	-	nothing
        166	vm86	none	-	-	-	nothing
        167	query_module	none	-	-	-	nothing
        168	poll	set	-	-	2:milliseconds	one of a set of descriptors
        169	nfsservctl	kernel	-	-	-	the kernel
        170	setresgid	none	-	-	-	nothing
        171	getresgid	none	-	-	-	nothing
        172	prctl	kernel	-	-	-	the kernel
        173	rt_sigreturn	sigreturn	-	-	-	ends a signal handler
        174	rt_sigaction	none	-	-	-	nothing
        175	rt_sigprocmask	none	-	-	-	nothing
        176	rt_sigpending	none	-	-	-	nothing
        177	rt_sigtimedwait	signal	-	-	2:timespec32	a signal of a set
        178	rt_sigqueueinfo	none	-	-	-	nothing
        179	rt_sigsuspend	signal	-	-	-	a signal
        180	pread64	descriptor	0	bytes	-	data to read
        181	pwrite64	descriptor	0	bytes	-	room to write, or the disk
        182	chown	path	-	-	-	the file system
        183	getcwd	none	-	-	-	nothing
        184	capget	none	-	-	-	nothing
        185	capset	none	-	-	-	nothing
        186	sigaltstack	none	-	-	-	nothing
        187	sendfile	descriptor	0	bytes	-	room to send, or the disk
        188	getpmsg	none	-	-	-	nothing
        189	putpmsg	none	-	-	-	nothing
        190	vfork	process	-	-	-	the child to run a program or end
        191	ugetrlimit	none	-	-	-	nothing
        192	mmap2	memory	-	-	-	the lock of the address space, or pages
        193	truncate64	path	-	-	-	the file system
        194	ftruncate64	descriptor	0	-	-	the file system
        195	stat64	path	-	-	-	the file system
        196	lstat64	path	-	-	-	the file system
        197	fstat64	descriptor	0	-	-	the file system
        198	lchown32	path	-	-	-	the file system
        199	getuid32	none	-	-	-	nothing
        200	getgid32	none	-	-	-	nothing
        201	geteuid32	none	-	-	-	nothing
        202	getegid32	none	-	-	-	nothing
        203	setreuid32	none	-	-	-	nothing
        204	setregid32	none	-	-	-	nothing
        205	getgroups32	none	-	-	-	nothing
        206	setgroups32	none	-	-	-	nothing
        207	fchown32	descriptor	0	-	-	the file system
        208	setresuid32	none	-	-	-	nothing
        209	getresuid32	none	-	-	-	nothing
        210	setresgid32	none	-	-	-	nothing
        211	getresgid32	none	-	-	-	nothing
        212	chown32	path	-	-	-	the file system
        213	setuid32	none	-	-	-	nothing
        214	setgid32	none	-	-	-	nothing
        215	setfsuid32	none	-	-	-	nothing
        216	setfsgid32	none	-	-	-	nothing
        217	pivot_root	path	-	-	-	the file system to be mounted or let go
        218	mincore	memory	-	-	-	the lock of the address space, or pages
        219	madvise	memory	-	-	-	the lock of the address space, or pages
        220	getdents64	descriptor	0	-	-	the file system
        221	fcntl64	lock	0	-	-	a file lock
        224	gettid	none	-	-	-	nothing
        225	readahead	descriptor	0	-	-	the file system
        226	setxattr	path	-	-	-	the file system
        227	lsetxattr	path	-	-	-	the file system
        228	fsetxattr	descriptor	0	-	-	the file system
        229	getxattr	path	-	-	-	the file system
        230	lgetxattr	path	-	-	-	the file system
        231	fgetxattr	descriptor	0	-	-	the file system
        232	listxattr	path	-	-	-	the file system
        233	llistxattr	path	-	-	-	the file system
        234	flistxattr	descriptor	0	-	-	the file system
        235	removexattr	path	-	-	-	the file system
        236	lremovexattr	path	-	-	-	the file system
        237	fremovexattr	descriptor	0	-	-	the file system
        238	tkill	none	-	-	-	nothing
        239	sendfile64	descriptor	0	bytes	-	room to send, or the disk
        240	futex	memory	-	-	3:timespec32	the word of memory to change
        241	sched_setaffinity	none	-	-	-	nothing
        242	sched_getaffinity	none	-	-	-	nothing
        243	set_thread_area	none	-	-	-	nothing
        244	get_thread_area	none	-	-	-	nothing
        245	io_setup	none	-	-	-	nothing
        246	io_destroy	set	-	-	-	asynchronous I/O to be taken or ended
        247	io_getevents	set	-	-	4:timespec32	a completion of asynchronous I/O
        248	io_submit	set	-	-	-	asynchronous I/O to be taken or ended
        249	io_cancel	set	-	-	-	asynchronous I/O to be taken or ended
        250	fadvise64	descriptor	0	-	-	the file system
        252	exit_group	none	-	-	-	nothing
        253	lookup_dcookie	kernel	-	-	-	the kernel
        254	epoll_create	none	-	-	-	nothing
        255	epoll_ctl	none	-	-	-	nothing
        256	epoll_wait	set	0	-	3:milliseconds	an event of the epoll set
        257	remap_file_pages	memory	-	-	-	the lock of the address space, or pages
        258	set_tid_address	none	-	-	-	nothing
        259	timer_create	none	-	-	-	nothing
        260	timer_settime	none	-	-	-	nothing
        261	timer_gettime	none	-	-	-	nothing
        262	timer_getoverrun	none	-	-	-	nothing
        263	timer_delete	none	-	-	-	nothing
        264	clock_settime	none	-	-	-	nothing
        265	clock_gettime	none	-	-	-	nothing
        266	clock_getres	none	-	-	-	nothing
        267	clock_nanosleep	time	-	-	2:timespec32	the time to pass
        268	statfs64	path	-	-	-	the file system
        269	fstatfs64	descriptor	0	-	-	the file system
        270	tgkill	none	-	-	-	nothing
        271	utimes	path	-	-	-	the file system
        272	fadvise64_64	descriptor	0	-	-	the file system
        273	vserver	none	-	-	-	nothing
        274	mbind	memory	-	-	-	the lock of the address space, or pages
        275	get_mempolicy	none	-	-	-	nothing
        276	set_mempolicy	memory	-	-	-	the lock of the address space, or pages
        277	mq_open	path	-	-	-	the file system
        278	mq_unlink	path	-	-	-	the file system
        279	mq_timedsend	descriptor	0	-	-	room in the message queue
        280	mq_timedreceive	descriptor	0	-	-	a message in the queue
        281	mq_notify	none	-	-	-	nothing
        282	mq_getsetattr	none	-	-	-	nothing
        283	kexec_load	kernel	-	-	-	the kernel
        284	waitid	process	1	-	-	a child to change state
        286	add_key	kernel	-	-	-	a key, or whoever makes it
        287	request_key	kernel	-	-	-	a key, or whoever makes it
        288	keyctl	kernel	-	-	-	a key, or whoever makes it
        289	ioprio_set	none	-	-	-	nothing
        290	ioprio_get	none	-	-	-	nothing
        291	inotify_init	none	-	-	-	nothing
        292	inotify_add_watch	descriptor	0	-	-	the inotify or fanotify group
        293	inotify_rm_watch	none	-	-	-	nothing
        294	migrate_pages	memory	-	-	-	the lock of the address space, or pages
        295	openat	path	dir0	-	-	the file to open: a FIFO's other end, a device, a server
        296	mkdirat	path	dir0	-	-	the file system
        297	mknodat	path	dir0	-	-	the file system
        298	fchownat	path	dir0	-	-	the file system
        299	futimesat	path	dir0	-	-	the file system
        300	fstatat64	path	dir0	-	-	the file system
        301	unlinkat	path	dir0	-	-	the file system
        302	renameat	path	dir0	-	-	the file system
        303	linkat	path	dir0	-	-	the file system
        304	symlinkat	path	-	-	-	the file system
        305	readlinkat	path	dir0	-	-	the file system
        306	fchmodat	path	dir0	-	-	the file system
        307	faccessat	path	dir0	-	-	the file system
        308	pselect6	set	-	-	4:timespec32	one of a set of descriptors
        309	ppoll	set	-	-	2:timespec32	one of a set of descriptors
        310	unshare	kernel	-	-	-	the kernel
        311	set_robust_list	none	-	-	-	nothing
        312	get_robust_list	none	-	-	-	nothing
        313	splice	descriptor	0	bytes	-	data or room in one of two descriptors
        314	sync_file_range	descriptor	0	-	-	data to reach the disk
        315	tee	descriptor	0	bytes	-	data or room in one of two descriptors
        316	vmsplice	descriptor	0	bytes	-	data or room in one of two descriptors
        317	move_pages	memory	-	-	-	the lock of the address space, or pages
        318	getcpu	none	-	-	-	nothing
        319	epoll_pwait	set	0	-	3:milliseconds	an event of the epoll set
        320	utimensat	path	dir0	-	-	the file system
        321	signalfd	none	-	-	-	nothing
        322	timerfd_create	none	-	-	-	nothing
        323	eventfd	none	-	-	-	nothing
        324	fallocate	descriptor	0	-	-	the file system
        325	timerfd_settime	none	-	-	-	nothing
        326	timerfd_gettime	none	-	-	-	nothing
        327	signalfd4	none	-	-	-	nothing
        328	eventfd2	none	-	-	-	nothing
        329	epoll_create1	none	-	-	-	nothing
        330	dup3	descriptor	0	-	-	the descriptor that this replaces to be closed
        331	pipe2	none	-	-	-	nothing
        332	inotify_init1	none	-	-	-	nothing
        333	preadv	descriptor	0	bytes	-	data to read
        334	pwritev	descriptor	0	bytes	-	room to write, or the disk
        335	rt_tgsigqueueinfo	none	-	-	-	nothing
        336	perf_event_open	kernel	-	-	-	the kernel
        337	recvmmsg	descriptor	0	bytes	4:timespec32	messages to receive
        338	fanotify_init	none	-	-	-	nothing
        339	fanotify_mark	descriptor	0	-	-	the inotify or fanotify group
        340	prlimit64	none	-	-	-	nothing
        341	name_to_handle_at	path	dir0	-	-	the file system
        342	open_by_handle_at	descriptor	0	-	-	the file to open
        343	clock_adjtime	none	-	-	-	nothing
        344	syncfs	descriptor	0	-	-	data to reach the disk
        345	sendmmsg	descriptor	0	bytes	-	room to send
        346	setns	kernel	-	-	-	the kernel
        347	process_vm_readv	memory	-	-	-	the other process's memory
        348	process_vm_writev	memory	-	-	-	the other process's memory
        349	kcmp	memory	-	-	-	the other process's memory
        350	finit_module	kernel	-	-	-	the module
        351	sched_setattr	none	-	-	-	nothing
        352	sched_getattr	none	-	-	-	nothing
        353	renameat2	path	dir0	-	-	the file system
        354	seccomp	kernel	-	-	-	the kernel
        355	getrandom	kernel	-	-	-	randomness
        356	memfd_create	none	-	-	-	nothing
        357	bpf	kernel	-	-	-	the kernel
        358	execveat	path	dir0	-	-	the program's file
        359	socket	none	-	-	-	nothing
        360	socketpair	none	-	-	-	nothing
        361	bind	none	-	-	-	nothing
        362	connect	descriptor	0	-	-	the other side to answer
        363	listen	none	-	-	-	nothing
        364	accept4	descriptor	0	-	-	a connection to accept
        365	getsockopt	none	-	-	-	nothing
        366	setsockopt	none	-	-	-	nothing
        367	getsockname	none	-	-	-	nothing
        368	getpeername	none	-	-	-	nothing
        369	sendto	descriptor	0	bytes	-	room to send
        370	sendmsg	descriptor	0	bytes	-	room to send
        371	recvfrom	descriptor	0	bytes	-	data to receive
        372	recvmsg	descriptor	0	bytes	-	data to receive
        373	shutdown	descriptor	0	-	-	the socket
        374	userfaultfd	kernel	-	-	-	the kernel
        375	membarrier	kernel	-	-	-	the kernel
        376	mlock2	memory	-	-	-	the lock of the address space, or pages
        377	copy_file_range	descriptor	0	bytes	-	room to send, or the disk
        378	preadv2	descriptor	0	bytes	-	data to read
        379	pwritev2	descriptor	0	bytes	-	room to write, or the disk
        380	pkey_mprotect	memory	-	-	-	the lock of the address space, or pages
        381	pkey_alloc	none	-	-	-	nothing
        382	pkey_free	none	-	-	-	nothing
        383	statx	path	dir0	-	-	the file system
        384	arch_prctl	kernel	-	-	-	the kernel
        385	io_pgetevents	set	-	-	4:timespec32	a completion of asynchronous I/O
        386	rseq	none	-	-	-	nothing
        393	semget	ipc	-	-	-	the SysV object's lock
        394	semctl	ipc	-	-	-	the SysV object's lock
        395	shmget	ipc	-	-	-	the SysV object's lock
        396	shmctl	ipc	-	-	-	the SysV object's lock
        397	shmat	ipc	-	-	-	the SysV object's lock
        398	shmdt	ipc	-	-	-	the SysV object's lock
        399	msgget	ipc	-	-	-	the SysV object's lock
        400	msgsnd	ipc	-	-	-	room in the message queue
        401	msgrcv	ipc	-	-	-	a message in the queue
        402	msgctl	ipc	-	-	-	the SysV object's lock
        403	clock_gettime64	none	-	-	-	nothing
        404	clock_settime64	none	-	-	-	nothing
        405	clock_adjtime64	none	-	-	-	nothing
        406	clock_getres_time64	none	-	-	-	nothing
        407	clock_nanosleep_time64	time	-	-	2:timespec	the time to pass
        408	timer_gettime64	none	-	-	-	nothing
        409	timer_settime64	none	-	-	-	nothing
        410	timerfd_gettime64	none	-	-	-	nothing
        411	timerfd_settime64	none	-	-	-	nothing
        412	utimensat_time64	path	dir0	-	-	the file system
        413	pselect6_time64	set	-	-	4:timespec	one of a set of descriptors
        414	ppoll_time64	set	-	-	2:timespec	one of a set of descriptors
        416	io_pgetevents_time64	set	-	-	4:timespec	a completion of asynchronous I/O
        417	recvmmsg_time64	descriptor	0	bytes	4:timespec	messages to receive
        418	mq_timedsend_time64	descriptor	0	-	-	room in the message queue
        419	mq_timedreceive_time64	descriptor	0	-	-	a message in the queue
        420	semtimedop_time64	ipc	-	-	3:timespec	the semaphores
        421	rt_sigtimedwait_time64	signal	-	-	2:timespec	a signal of a set
        422	futex_time64	memory	-	-	3:timespec	the word of memory to change
        423	sched_rr_get_interval_time64	none	-	-	-	nothing
        424	pidfd_send_signal	none	-	-	-	nothing
        425	io_uring_setup	none	-	-	-	nothing
        426	io_uring_enter	set	0	-	-	a completion in the ring
        427	io_uring_register	descriptor	0	-	-	the ring
        428	open_tree	path	dir0	-	-	the file system
        429	move_mount	path	dir0	-	-	the file system
        430	fsopen	kernel	-	-	-	the kernel
        431	fsconfig	descriptor	0	-	-	the file system
        432	fsmount	descriptor	0	-	-	the file system
        433	fspick	path	dir0	-	-	the file system
        434	pidfd_open	none	-	-	-	nothing
        435	clone3	process	-	-	-	the child to run a program or end, with CLONE_VFORK
        436	close_range	descriptor	-	-	-	each file's data to be written back
        437	openat2	path	dir0	-	-	the file to open: a FIFO's other end, a device, a server
        438	pidfd_getfd	kernel	-	-	-	the kernel
        439	faccessat2	path	dir0	-	-	the file system
        440	process_madvise	memory	-	-	-	the lock of the address space, or pages
        441	epoll_pwait2	set	0	-	3:timespec32	an event of the epoll set
        442	mount_setattr	path	dir0	-	-	the file system
        443	quotactl_fd	descriptor	0	-	-	the file system
        444	landlock_create_ruleset	none	-	-	-	nothing
        445	landlock_add_rule	none	-	-	-	nothing
        446	landlock_restrict_self	kernel	-	-	-	the kernel
        447	memfd_secret	none	-	-	-	nothing
        448	process_mrelease	memory	-	-	-	the lock of the address space, or pages
        449	futex_waitv	memory	-	-	-	one of several words of memory to change
        450	set_mempolicy_home_node	memory	-	-	-	the lock of the address space, or pages
        451	cachestat	descriptor	0	-	-	the file system
        452	fchmodat2	path	dir0	-	-	the file system
        453	map_shadow_stack	memory	-	-	-	the lock of the address space, or pages
        454	futex_wake	none	-	-	-	nothing
        455	futex_wait	memory	-	-	-	the word of memory to change
        456	futex_requeue	memory	-	-	-	the word of memory to change
        457	statmount	kernel	-	-	-	the kernel
        458	listmount	kernel	-	-	-	the kernel
        459	lsm_get_self_attr	none	-	-	-	nothing
        460	lsm_set_self_attr	none	-	-	-	nothing
        461	lsm_list_modules	none	-	-	-	nothing
        462	mseal	memory	-	-	-	the lock of the address space, or pages
        463	setxattrat	path	dir0	-	-	the file system
        464	getxattrat	path	dir0	-	-	the file system
        465	listxattrat	path	dir0	-	-	the file system
        466	removexattrat	path	dir0	-	-	the file system
        467	open_tree_attr	path	dir0	-	-	the file system
        468	file_getattr	path	dir0	-	-	the file system
        469	file_setattr	path	dir0	-	-	the file system
        """

    static let aarch64Rows = """
        0	io_setup	none	-	-	-	nothing
        1	io_destroy	set	-	-	-	asynchronous I/O to be taken or ended
        2	io_submit	set	-	-	-	asynchronous I/O to be taken or ended
        3	io_cancel	set	-	-	-	asynchronous I/O to be taken or ended
        4	io_getevents	set	-	-	4:timespec	a completion of asynchronous I/O
        5	setxattr	path	-	-	-	the file system
        6	lsetxattr	path	-	-	-	the file system
        7	fsetxattr	descriptor	0	-	-	the file system
        8	getxattr	path	-	-	-	the file system
        9	lgetxattr	path	-	-	-	the file system
        10	fgetxattr	descriptor	0	-	-	the file system
        11	listxattr	path	-	-	-	the file system
        12	llistxattr	path	-	-	-	the file system
        13	flistxattr	descriptor	0	-	-	the file system
        14	removexattr	path	-	-	-	the file system
        15	lremovexattr	path	-	-	-	the file system
        16	fremovexattr	descriptor	0	-	-	the file system
        17	getcwd	none	-	-	-	nothing
        18	lookup_dcookie	kernel	-	-	-	the kernel
        19	eventfd2	none	-	-	-	nothing
        20	epoll_create1	none	-	-	-	nothing
        21	epoll_ctl	none	-	-	-	nothing
        22	epoll_pwait	set	0	-	3:milliseconds	an event of the epoll set
        23	dup	none	-	-	-	nothing
        24	dup3	descriptor	0	-	-	the descriptor that this replaces to be closed
        25	fcntl	lock	0	-	-	a file lock
        26	inotify_init1	none	-	-	-	nothing
        27	inotify_add_watch	descriptor	0	-	-	the inotify or fanotify group
        28	inotify_rm_watch	none	-	-	-	nothing
        29	ioctl	descriptor	0	-	-	the device or file system behind the descriptor
        30	ioprio_set	none	-	-	-	nothing
        31	ioprio_get	none	-	-	-	nothing
        32	flock	lock	0	-	-	a file lock
        33	mknodat	path	dir0	-	-	the file system
        34	mkdirat	path	dir0	-	-	the file system
        35	unlinkat	path	dir0	-	-	the file system
        36	symlinkat	path	-	-	-	the file system
        37	linkat	path	dir0	-	-	the file system
        38	renameat	path	dir0	-	-	the file system
        39	umount2	path	-	-	-	the file system to be mounted or let go
        40	mount	path	-	-	-	the file system to be mounted or let go
        41	pivot_root	path	-	-	-	the file system to be mounted or let go
        42	nfsservctl	kernel	-	-	-	the kernel
        43	statfs	path	-	-	-	the file system
        44	fstatfs	descriptor	0	-	-	the file system
        45	truncate	path	-	-	-	the file system
        46	ftruncate	descriptor	0	-	-	the file system
        47	fallocate	descriptor	0	-	-	the file system
        48	faccessat	path	dir0	-	-	the file system
        49	chdir	path	-	-	-	the file system
        50	fchdir	descriptor	0	-	-	the file system
        51	chroot	path	-	-	-	the file system
        52	fchmod	descriptor	0	-	-	the file system
        53	fchmodat	path	dir0	-	-	the file system
        54	fchownat	path	dir0	-	-	the file system
        55	fchown	descriptor	0	-	-	the file system
        56	openat	path	dir0	-	-	the file to open: a FIFO's other end, a device, a server
        57	close	descriptor	0	-	-	the last user's data to be written back
        58	vhangup	none	-	-	-	nothing
        59	pipe2	none	-	-	-	nothing
        60	quotactl	kernel	-	-	-	the kernel
        61	getdents64	descriptor	0	-	-	the file system
        62	lseek	descriptor	0	-	-	the file system
        63	read	descriptor	0	bytes	-	data to read
        64	write	descriptor	0	bytes	-	room to write, or the disk
        65	readv	descriptor	0	bytes	-	data to read
        66	writev	descriptor	0	bytes	-	room to write, or the disk
        67	pread64	descriptor	0	bytes	-	data to read
        68	pwrite64	descriptor	0	bytes	-	room to write, or the disk
        69	preadv	descriptor	0	bytes	-	data to read
        70	pwritev	descriptor	0	bytes	-	room to write, or the disk
        71	sendfile	descriptor	0	bytes	-	room to send, or the disk
        72	pselect6	set	-	-	4:timespec	one of a set of descriptors
        73	ppoll	set	-	-	2:timespec	one of a set of descriptors
        74	signalfd4	none	-	-	-	nothing
        75	vmsplice	descriptor	0	bytes	-	data or room in one of two descriptors
        76	splice	descriptor	0	bytes	-	data or room in one of two descriptors
        77	tee	descriptor	0	bytes	-	data or room in one of two descriptors
        78	readlinkat	path	dir0	-	-	the file system
        79	newfstatat	path	dir0	-	-	the file system
        80	fstat	descriptor	0	-	-	the file system
        81	sync	kernel	-	-	-	all data to reach the disks
        82	fsync	descriptor	0	-	-	data to reach the disk
        83	fdatasync	descriptor	0	-	-	data to reach the disk
        84	sync_file_range	descriptor	0	-	-	data to reach the disk
        85	timerfd_create	none	-	-	-	nothing
        86	timerfd_settime	none	-	-	-	nothing
        87	timerfd_gettime	none	-	-	-	nothing
        88	utimensat	path	dir0	-	-	the file system
        89	acct	path	-	-	-	the file system
        90	capget	none	-	-	-	nothing
        91	capset	none	-	-	-	nothing
        92	personality	none	-	-	-	nothing
        93	exit	none	-	-	-	nothing
        94	exit_group	none	-	-	-	nothing
        95	waitid	process	1	-	-	a child to change state
        96	set_tid_address	none	-	-	-	nothing
        97	unshare	kernel	-	-	-	the kernel
        98	futex	memory	-	-	3:timespec	the word of memory to change
        99	set_robust_list	none	-	-	-	nothing
        100	get_robust_list	none	-	-	-	nothing
        101	nanosleep	time	-	-	0:timespec	the time to pass
        102	getitimer	none	-	-	-	nothing
        103	setitimer	none	-	-	-	nothing
        104	kexec_load	kernel	-	-	-	the kernel
        105	init_module	kernel	-	-	-	the module
        106	delete_module	kernel	-	-	-	the module
        107	timer_create	none	-	-	-	nothing
        108	timer_gettime	none	-	-	-	nothing
        109	timer_getoverrun	none	-	-	-	nothing
        110	timer_settime	none	-	-	-	nothing
        111	timer_delete	none	-	-	-	nothing
        112	clock_settime	none	-	-	-	nothing
        113	clock_gettime	none	-	-	-	nothing
        114	clock_getres	none	-	-	-	nothing
        115	clock_nanosleep	time	-	-	2:timespec	the time to pass
        116	syslog	kernel	-	-	-	the kernel
        117	ptrace	process	-	-	-	the traced process
        118	sched_setparam	none	-	-	-	nothing
        119	sched_setscheduler	none	-	-	-	nothing
        120	sched_getscheduler	none	-	-	-	nothing
        121	sched_getparam	none	-	-	-	nothing
        122	sched_setaffinity	none	-	-	-	nothing
        123	sched_getaffinity	none	-	-	-	nothing
        124	sched_yield	none	-	-	-	nothing
        125	sched_get_priority_max	none	-	-	-	nothing
        126	sched_get_priority_min	none	-	-	-	nothing
        127	sched_rr_get_interval	none	-	-	-	nothing
        128	restart_syscall	restart	-	-	-	goes on with the call that a signal interrupted
        129	kill	none	-	-	-	nothing
        130	tkill	none	-	-	-	nothing
        131	tgkill	none	-	-	-	nothing
        132	sigaltstack	none	-	-	-	nothing
        133	rt_sigsuspend	signal	-	-	-	a signal
        134	rt_sigaction	none	-	-	-	nothing
        135	rt_sigprocmask	none	-	-	-	nothing
        136	rt_sigpending	none	-	-	-	nothing
        137	rt_sigtimedwait	signal	-	-	2:timespec	a signal of a set
        138	rt_sigqueueinfo	none	-	-	-	nothing
        139	rt_sigreturn	sigreturn	-	-	-	ends a signal handler
        140	setpriority	none	-	-	-	nothing
        141	getpriority	none	-	-	-	nothing
        142	reboot	kernel	-	-	-	the kernel
        143	setregid	none	-	-	-	nothing
        144	setgid	none	-	-	-	nothing
        145	setreuid	none	-	-	-	nothing
        146	setuid	none	-	-	-	nothing
        147	setresuid	none	-	-	-	nothing
        148	getresuid	none	-	-	-	nothing
        149	setresgid	none	-	-	-	nothing
        150	getresgid	none	-	-	-	nothing
        151	setfsuid	none	-	-	-	nothing
        152	setfsgid	none	-	-	-	nothing
        153	times	none	-	-	-	nothing
        154	setpgid	none	-	-	-	nothing
        155	getpgid	none	-	-	-	nothing
        156	getsid	none	-	-	-	nothing
        157	setsid	none	-	-	-	nothing
        158	getgroups	none	-	-	-	nothing
        159	setgroups	none	-	-	-	nothing
        160	uname	none	-	-	-	nothing
        161	sethostname	kernel	-	-	-	the kernel
        162	setdomainname	kernel	-	-	-	the kernel
        163	getrlimit	none	-	-	-	nothing
        164	setrlimit	none	-	-	-	nothing
        165	getrusage	none	-	-	-	nothing
        166	umask	none	-	-	-	nothing
        167	prctl	kernel	-	-	-	the kernel
        168	getcpu	none	-	-	-	nothing
        169	gettimeofday	none	-	-	-	nothing
        170	settimeofday	none	-	-	-	nothing
        171	adjtimex	none	-	-	-	nothing
        172	getpid	none	-	-	-	nothing
        173	getppid	none	-	-	-	nothing
        174	getuid	none	-	-	-	nothing
        175	geteuid	none	-	-	-	nothing
        176	getgid	none	-	-	-	nothing
        177	getegid	none	-	-	-	nothing
        178	gettid	none	-	-	-	nothing
        179	sysinfo	none	-	-	-	nothing
        180	mq_open	path	-	-	-	the file system
        181	mq_unlink	path	-	-	-	the file system
        182	mq_timedsend	descriptor	0	-	-	room in the message queue
        183	mq_timedreceive	descriptor	0	-	-	a message in the queue
        184	mq_notify	none	-	-	-	nothing
        185	mq_getsetattr	none	-	-	-	nothing
        186	msgget	ipc	-	-	-	the SysV object's lock
        187	msgctl	ipc	-	-	-	the SysV object's lock
        188	msgrcv	ipc	-	-	-	a message in the queue
        189	msgsnd	ipc	-	-	-	room in the message queue
        190	semget	ipc	-	-	-	the SysV object's lock
        191	semctl	ipc	-	-	-	the SysV object's lock
        192	semtimedop	ipc	-	-	3:timespec	the semaphores
        193	semop	ipc	-	-	-	the semaphores
        194	shmget	ipc	-	-	-	the SysV object's lock
        195	shmctl	ipc	-	-	-	the SysV object's lock
        196	shmat	ipc	-	-	-	the SysV object's lock
        197	shmdt	ipc	-	-	-	the SysV object's lock
        198	socket	none	-	-	-	nothing
        199	socketpair	none	-	-	-	nothing
        200	bind	none	-	-	-	nothing
        201	listen	none	-	-	-	nothing
        202	accept	descriptor	0	-	-	a connection to accept
        203	connect	descriptor	0	-	-	the other side to answer
        204	getsockname	none	-	-	-	nothing
        205	getpeername	none	-	-	-	nothing
        206	sendto	descriptor	0	bytes	-	room to send
        207	recvfrom	descriptor	0	bytes	-	data to receive
        208	setsockopt	none	-	-	-	nothing
        209	getsockopt	none	-	-	-	nothing
        210	shutdown	descriptor	0	-	-	the socket
        211	sendmsg	descriptor	0	bytes	-	room to send
        212	recvmsg	descriptor	0	bytes	-	data to receive
        213	readahead	descriptor	0	-	-	the file system
        214	brk	none	-	-	-	nothing
        215	munmap	memory	-	-	-	the lock of the address space, or pages
        216	mremap	memory	-	-	-	the lock of the address space, or pages
        217	add_key	kernel	-	-	-	a key, or whoever makes it
        218	request_key	kernel	-	-	-	a key, or whoever makes it
        219	keyctl	kernel	-	-	-	a key, or whoever makes it
        220	clone	process	-	-	-	the child to run a program or end, with CLONE_VFORK
        221	execve	path	-	-	-	the program's file
        222	mmap	memory	-	-	-	the lock of the address space, or pages
        223	fadvise64	descriptor	0	-	-	the file system
        224	swapon	path	-	-	-	the file system to be mounted or let go
        225	swapoff	path	-	-	-	the file system to be mounted or let go
        226	mprotect	memory	-	-	-	the lock of the address space, or pages
        227	msync	memory	-	-	-	data to reach the disk
        228	mlock	memory	-	-	-	the lock of the address space, or pages
        229	munlock	memory	-	-	-	the lock of the address space, or pages
        230	mlockall	memory	-	-	-	the lock of the address space, or pages
        231	munlockall	memory	-	-	-	the lock of the address space, or pages
        232	mincore	memory	-	-	-	the lock of the address space, or pages
        233	madvise	memory	-	-	-	the lock of the address space, or pages
        234	remap_file_pages	memory	-	-	-	the lock of the address space, or pages
        235	mbind	memory	-	-	-	the lock of the address space, or pages
        236	get_mempolicy	none	-	-	-	nothing
        237	set_mempolicy	memory	-	-	-	the lock of the address space, or pages
        238	migrate_pages	memory	-	-	-	the lock of the address space, or pages
        239	move_pages	memory	-	-	-	the lock of the address space, or pages
        240	rt_tgsigqueueinfo	none	-	-	-	nothing
        241	perf_event_open	kernel	-	-	-	the kernel
        242	accept4	descriptor	0	-	-	a connection to accept
        243	recvmmsg	descriptor	0	bytes	4:timespec	messages to receive
        260	wait4	process	-	-	-	a child to change state
        261	prlimit64	none	-	-	-	nothing
        262	fanotify_init	none	-	-	-	nothing
        263	fanotify_mark	descriptor	0	-	-	the inotify or fanotify group
        264	name_to_handle_at	path	dir0	-	-	the file system
        265	open_by_handle_at	descriptor	0	-	-	the file to open
        266	clock_adjtime	none	-	-	-	nothing
        267	syncfs	descriptor	0	-	-	data to reach the disk
        268	setns	kernel	-	-	-	the kernel
        269	sendmmsg	descriptor	0	bytes	-	room to send
        270	process_vm_readv	memory	-	-	-	the other process's memory
        271	process_vm_writev	memory	-	-	-	the other process's memory
        272	kcmp	memory	-	-	-	the other process's memory
        273	finit_module	kernel	-	-	-	the module
        274	sched_setattr	none	-	-	-	nothing
        275	sched_getattr	none	-	-	-	nothing
        276	renameat2	path	dir0	-	-	the file system
        277	seccomp	kernel	-	-	-	the kernel
        278	getrandom	kernel	-	-	-	randomness
        279	memfd_create	none	-	-	-	nothing
        280	bpf	kernel	-	-	-	the kernel
        281	execveat	path	dir0	-	-	the program's file
        282	userfaultfd	kernel	-	-	-	the kernel
        283	membarrier	kernel	-	-	-	the kernel
        284	mlock2	memory	-	-	-	the lock of the address space, or pages
        285	copy_file_range	descriptor	0	bytes	-	room to send, or the disk
        286	preadv2	descriptor	0	bytes	-	data to read
        287	pwritev2	descriptor	0	bytes	-	room to write, or the disk
        288	pkey_mprotect	memory	-	-	-	the lock of the address space, or pages
        289	pkey_alloc	none	-	-	-	nothing
        290	pkey_free	none	-	-	-	nothing
        291	statx	path	dir0	-	-	the file system
        292	io_pgetevents	set	-	-	4:timespec	a completion of asynchronous I/O
        293	rseq	none	-	-	-	nothing
        294	kexec_file_load	kernel	-	-	-	the kernel
        424	pidfd_send_signal	none	-	-	-	nothing
        425	io_uring_setup	none	-	-	-	nothing
        426	io_uring_enter	set	0	-	-	a completion in the ring
        427	io_uring_register	descriptor	0	-	-	the ring
        428	open_tree	path	dir0	-	-	the file system
        429	move_mount	path	dir0	-	-	the file system
        430	fsopen	kernel	-	-	-	the kernel
        431	fsconfig	descriptor	0	-	-	the file system
        432	fsmount	descriptor	0	-	-	the file system
        433	fspick	path	dir0	-	-	the file system
        434	pidfd_open	none	-	-	-	nothing
        435	clone3	process	-	-	-	the child to run a program or end, with CLONE_VFORK
        436	close_range	descriptor	-	-	-	each file's data to be written back
        437	openat2	path	dir0	-	-	the file to open: a FIFO's other end, a device, a server
        438	pidfd_getfd	kernel	-	-	-	the kernel
        439	faccessat2	path	dir0	-	-	the file system
        440	process_madvise	memory	-	-	-	the lock of the address space, or pages
        441	epoll_pwait2	set	0	-	3:timespec	an event of the epoll set
        442	mount_setattr	path	dir0	-	-	the file system
        443	quotactl_fd	descriptor	0	-	-	the file system
        444	landlock_create_ruleset	none	-	-	-	nothing
        445	landlock_add_rule	none	-	-	-	nothing
        446	landlock_restrict_self	kernel	-	-	-	the kernel
        447	memfd_secret	none	-	-	-	nothing
        448	process_mrelease	memory	-	-	-	the lock of the address space, or pages
        449	futex_waitv	memory	-	-	-	one of several words of memory to change
        450	set_mempolicy_home_node	memory	-	-	-	the lock of the address space, or pages
        451	cachestat	descriptor	0	-	-	the file system
        452	fchmodat2	path	dir0	-	-	the file system
        453	map_shadow_stack	memory	-	-	-	the lock of the address space, or pages
        454	futex_wake	none	-	-	-	nothing
        455	futex_wait	memory	-	-	-	the word of memory to change
        456	futex_requeue	memory	-	-	-	the word of memory to change
        457	statmount	kernel	-	-	-	the kernel
        458	listmount	kernel	-	-	-	the kernel
        459	lsm_get_self_attr	none	-	-	-	nothing
        460	lsm_set_self_attr	none	-	-	-	nothing
        461	lsm_list_modules	none	-	-	-	nothing
        462	mseal	memory	-	-	-	the lock of the address space, or pages
        463	setxattrat	path	dir0	-	-	the file system
        464	getxattrat	path	dir0	-	-	the file system
        465	listxattrat	path	dir0	-	-	the file system
        466	removexattrat	path	dir0	-	-	the file system
        467	open_tree_attr	path	dir0	-	-	the file system
        468	file_getattr	path	dir0	-	-	the file system
        469	file_setattr	path	dir0	-	-	the file system
        """
}
