//! A pseudo-terminal: experiments hold both ends.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::stat::Mode;
use nix::sys::termios::{self, SetArg, Termios};

use crate::ground::{LIMIT, fork, own_session, reap, skip, until};

/// A new one, whose window has no size.
#[derive(Debug)]
pub(crate) struct Pty {
    master: OwnedFd,
    slave: OwnedFd,
}

impl Pty {
    /// Nobody's yet. Ends the experiment where there is none.
    pub(crate) fn new() -> Self {
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let master = posix_openpt(flags | OFlag::O_NONBLOCK);
        let master = master.unwrap_or_else(|e| skip(&format!("no pseudo-terminal: {e}")));
        grantpt(&master).and_then(|()| unlockpt(&master)).expect("its other end");
        let name = ptsname_r(&master).expect("its name");
        let slave = nix::fcntl::open(name.as_str(), flags, Mode::empty());
        let slave = slave.unwrap_or_else(|e| skip(&format!("no {name}: {e}")));
        Self { master: master.into(), slave }
    }

    /// The end of the programs.
    pub(crate) fn slave(&self) -> BorrowedFd<'_> {
        self.slave.as_fd()
    }

    /// Asks for it as the controlling terminal; root may steal it.
    pub(crate) fn acquire(&self, steal: bool) -> Result<(), Errno> {
        // SAFETY: numbers only.
        let result =
            unsafe { libc::ioctl(self.slave.as_raw_fd(), libc::TIOCSCTTY, i32::from(steal)) };
        Errno::result(result).map(drop)
    }

    /// Gives it up as the controlling terminal.
    pub(crate) fn give_up(&self) -> Result<(), Errno> {
        // SAFETY: numbers only.
        Errno::result(unsafe { libc::ioctl(self.slave.as_raw_fd(), libc::TIOCNOTTY) }).map(drop)
    }

    /// Puts that group into the foreground.
    pub(crate) fn set_foreground(&self, group: i32) -> Result<(), Errno> {
        nix::unistd::tcsetpgrp(&self.slave, nix::unistd::Pid::from_raw(group))
    }

    /// The group in the foreground.
    pub(crate) fn foreground(&self) -> Result<i32, Errno> {
        nix::unistd::tcgetpgrp(&self.slave).map(nix::unistd::Pid::as_raw)
    }

    /// Types that.
    pub(crate) fn types(&self, keys: &str) {
        assert_eq!(nix::unistd::write(&self.master, keys.as_bytes()), Ok(keys.len()));
    }

    /// Waits until that is shown; all that was shown since the last time. The echo of a key comes
    /// after its signal has been sent.
    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str) -> String {
        let mut shown = String::new();
        until(&format!("{text:?} is shown"), || {
            let mut buffer = [0; 4096];
            if let Ok(count) = nix::unistd::read(&self.master, &mut buffer) {
                shown += &String::from_utf8_lossy(&buffer[..count]);
            }
            shown.contains(text)
        });
        shown
    }

    /// Changes the size of the window.
    pub(crate) fn resize(&self, rows: u16, columns: u16) {
        let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: the structure is ours.
        let result =
            unsafe { libc::ioctl(self.master.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
        assert_eq!(result, 0);
    }

    /// Changes its settings.
    pub(crate) fn set(&self, change: impl FnOnce(&mut Termios)) -> Result<(), Errno> {
        let mut settings = termios::tcgetattr(&self.slave)?;
        change(&mut settings);
        termios::tcsetattr(&self.slave, SetArg::TCSANOW, &settings)
    }

    /// Reads a byte as a program does, as soon as there is one, or is refused.
    pub(crate) fn read(&self) -> Result<Option<u8>, Errno> {
        let mut byte = [0];
        let count = nix::unistd::read(&self.slave, &mut byte)?;
        Ok((count == 1).then_some(byte[0]))
    }

    /// Waits until a program has something to read.
    #[track_caller]
    pub(crate) fn wait_readable(&self) {
        let mut ready = [PollFd::new(self.slave.as_fd(), PollFlags::POLLIN)];
        let time = PollTimeout::try_from(LIMIT).expect("not so long");
        assert_eq!(poll(&mut ready, time), Ok(1), "nothing to read");
    }

    /// Writes a byte as a program does.
    pub(crate) fn write(&self) -> Result<(), Errno> {
        nix::unistd::write(&self.slave, b"x").map(drop)
    }

    /// Closes this process's copy of the other end. It is hung up when nobody has one.
    pub(crate) fn close_master(&self) {
        let null = File::open("/dev/null").expect("/dev/null");
        // SAFETY: the descriptor stays ours, open for something else.
        let result = unsafe { libc::dup2(null.as_raw_fd(), self.master.as_raw_fd()) };
        assert_ne!(result, -1);
    }
}

/// Has this process a controlling terminal?
pub(crate) fn has_terminal() -> bool {
    nix::fcntl::open("/dev/tty", OFlag::O_RDWR | OFlag::O_NOCTTY, Mode::empty()).is_ok()
}

/// A terminal of this process's session.
#[track_caller]
pub(crate) fn own_terminal() -> Pty {
    let pty = Pty::new();
    pty.acquire(false).expect("a terminal");
    pty
}

/// Runs that as the leader of a session with a terminal of its own, to its end.
#[track_caller]
pub(crate) fn as_leader(act: impl FnOnce(&Pty)) {
    let leader = fork(|| {
        own_session();
        act(&own_terminal());
    });
    assert_eq!(reap(leader), 0);
}
