/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * What is remembered of a thread: the slots that its waits stand in, and which event moves what.
 *
 * A slot holds one wait. `in_flight` is the call that the thread entered and has not left; the other
 * slots are for what a signal, a stop, a missing entry or a time-out makes of a call, and for waits
 * outside of calls. A wait is closed in the slot it stands in, and only if it was reported.
 *
 *   in_flight     entered, not left: all there is of most threads at most times
 *   interrupted   left with a restart code (signal, stop, tracer): it will be entered again
 *   unentered     found by the scan without its entry: older than blockwatch, or held before the
 *                 tracepoint by seccomp or a tracer
 *   renewing      ended by its own time-out or EINTR with nothing received: made again, it goes on
 *   outside_call  page fault, stop, hanging exit, io worker: found by the scan; another one if the
 *                 thread has left it between two looks
 *   unsaid_close  no wait: the id of one whose closing found the ring full
 *   untraced      no wait: while the probes are out, what stands in the slots of calls holds only as long as the thread
 *                 sleeps on; also after that, until a scan with the probes in has found it asleep
 *
 * The table: `+` a wait is noted; `>x` it moves to slot x; a reason in capitals: it is closed with
 * that (if it was reported; RETURNED past the threshold and not reported: a record of its own);
 * `!` it is reported, or asked for again; nothing: it stays.
 *
 *   event                       in_flight     interrupted   unentered     renewing      outside_call
 *   ----- in the thread itself
 *   sys_enter, fast: no other   +
 *   sys_enter, slots filled     UNSEEN, +                                               UNSEEN
 *    of the call in the slot                  >in_flight    >in_flight    >in_flight
 *    restart_syscall                          >in_flight    >interrupted (if that is empty, and on from there)
 *    above interrupted's frame                UNSEEN
 *    of any other call                        (a handler's) UNSEEN        RETURNED, but for a look at a set, at
 *                                                                         memory or at a descriptor; of a retry
 *                                                                         at a path too
 *   sys_exit, young             cleared
 *   sys_exit, late              RETURNED                    RETURNED      RETURNED if something was received, or
 *                                                                         sent; of a retry not if it is sent to the
 *                                                                         peer by a new socket
 *    nothing received           >renewing                   >renewing     RETURNED if another comes
 *   sys_exit, restart code      >interrupted  UNSEEN        >interrupted
 *    of a handler's own call    UNSEEN        (stays)       UNSEEN
 *   rt_sigreturn to
 *    behind the call                          RETURNED or >renewing
 *    the call itself                          (stays: it is entered next)
 *    elsewhere                                UNSEEN, but for an inner handler's
 *   process exit                ENDED         ENDED         ENDED         RETURNED      ENDED
 *   ----- the scan, of a thread that is
 *   in a call with its entry    !  or UNSEEN if the registers show another call
 *   interrupted                               !
 *   stopped or frozen, no slot                              +! if it will restart       +! if not
 *   running, no slot                                        UNSEEN where exits          UNSEEN
 *                                                           are not watched
 *   asleep in an unseen call                                +!, UNSEEN if another       UNSEEN
 *   asleep outside of calls                                                             +!, UNSEEN if another
 *   dying, asleep                                                                       +!
 *   an io worker                                                                        +! in D, else UNSEEN
 *
 * unsaid_close: filled by send_close, emptied by the next scan of the thread.
 * untraced: filled by each scan while the probes are out, emptied by the first one after. As long as it is filled, whatever
 * the thread does next makes all slots of calls UNSEEN before anything else: untraced.bpf.h.
 *
 *   sys_enter      on_sys_enter   enter_slowly   resume_renewing   close_renewing      forget_untraced
 *   sys_exit       on_sys_exit    exit_slowly    leave_slowly      keep_renewing   close_renewing
 *   rt_sigreturn   on_sys_exit    leave_handler  keep_renewing
 *   process exit   on_process_exit
 *   scan           scan           scan_in_flight scan_unentered    scan_outside_call   (scan_slot only reports)
 *                  settle         sleep_again
 *   closings       close_returned close_unseen   close_outside_call                    close_ended
 *
 * A stamp is (time << 2 | flags), time in jiffies or nanoseconds; 0 means that the slot is empty. It
 * is the one word on which scan and exit agree: the scan sets STAMP_REPORTED by compare-and-swap,
 * whoever ends the wait takes the whole word by exchange: a wait is opened and closed once, whatever
 * the order. A stamp past the threshold cannot come back by chance, because a new call's time is now.
 */
#ifndef BLOCKWATCH_THREAD_STATE_H
#define BLOCKWATCH_THREAD_STATE_H

#define STAMP_REPORTED 1ull
#define STAMP_LAST_RAN 2ull /* its time is when the thread last ran, not measured at entry */
#define STAMP_SHIFT 2

/* The slots beside the call in flight: each has a mark that takes entry and exit off the fast path. A mark may
 * stand without a stamp: whoever looks at the slot asks the stamp. */
enum slot {
	SLOT_INTERRUPTED,
	SLOT_UNENTERED,
	SLOT_OUTSIDE_CALL,
	SLOT_UNSAID_CLOSE,
	SLOT_RENEWING,
	SLOT_UNTRACED,
	SLOTS
};

/* A call, with what tells it from another one at the same place. */
struct call_slot {
	u64 stamp;
	u64 ip, sp;
	u64 args[6];
	u32 number, abi;
};

/* Of a wait for one peer by a connected socket: with whom the thread tries, and how much else it has done since the last
 * try. One name server after the other is one wait: resolvers have three at the most. */
#define RETRY_PEERS 3
#define RETRY_STEPS 64
struct retry {
	u64 peers[RETRY_PEERS]; /* hashes of addresses; 0: none */
	u64 socket;
	u32 service;	 /* port and protocol: all that its peers have in common */
	u32 steps;
	u32 events; /* of a poll */
};

struct outside_call {
	u64 stamp;
	u64 ip, sp;
	u32 kind;     /* enum bw_call_kind */
	u32 progress; /* what changes when the thread leaves the wait: progress_of() */
};

struct thread_state {
	/* the fast path touches these, and one of `io`; the registers hold the rest of the call */
	struct {
		u64 stamp;
		u32 number, abi;
	} in_flight;
	union {
		u64 attention; /* any of: entry and exit leave the fast path */
		u8 filled[SLOTS];
	};
	u32 renewals;	    /* the call in flight goes on with one that ended so often with nothing received */
	u32 renewing_count; /* the same of `renewing` */
	u32 told_held;	    /* the last record of the thread said that it is frozen, or stopped: held_as() */
	u32 by_clock;	    /* its last wait for a set ended by its own time-out */
	u32 restarted;	    /* in flight through restart_syscall: the registers show that number */
	u64 unsaid_close;
	struct bw_io io[BW_LAST_IO];
	/* of when the thread was last seen asleep, while the probes are or go out */
	u64 settled_switches;  /* context switches */
	u64 settled_voluntary; /* those of them by which it went to sleep */
	u64 settled_start_ns;  /* CLOCK_MONOTONIC, from when on it slept */
	struct call_slot interrupted; /* written by the thread itself */
	struct call_slot unentered;   /* written by the scan, taken by the thread; without a mark: where one in flight sleeps */
	struct call_slot renewing;    /* written by the thread itself */
	struct retry retry;	      /* the same; of `renewing`, and of the call in flight that goes on with it */
	struct outside_call outside_call; /* written by the scan, taken by the thread */
	/* of a process's main thread: who sent it the last signal that stops */
	u32 stopper_tgid;
	char stopper_comm[BW_COMM_LEN];
};

_Static_assert(SLOTS <= sizeof(u64), "`attention` is all marks at once");

#endif
