//! The terminal of a container: a test types, and reads what is shown.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::Stdio;
use std::sync::Arc;
use std::thread;

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::stat::Mode;

use super::{Container, Output, until};

/// A pseudo-terminal: the test holds one end, a container the other.
#[derive(Debug)]
pub struct Pty {
    /// Only ours: when we are dropped it closes, and the terminal is hung up.
    master: Arc<OwnedFd>,
    slave: OwnedFd,
    output: Output,
}

impl Pty {
    /// A new one.
    ///
    /// # Panics
    /// If there is none to be had.
    #[must_use]
    pub fn new() -> Self {
        // Closed on exec: a program that kept the master would keep the terminal alive.
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let pty = posix_openpt(flags).expect("a pty");
        grantpt(&pty).and_then(|()| unlockpt(&pty)).expect("its other end");
        let name = ptsname_r(&pty).expect("its name");
        let slave = nix::fcntl::open(name.as_str(), flags, Mode::empty()).expect("its other end");
        let master = Arc::new(OwnedFd::from(pty));
        let output = Output::default();
        let (ours, reader) = (output.clone(), Arc::downgrade(&master));
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Some(master) = reader.upgrade() {
                let mut ready = [PollFd::new(master.as_fd(), PollFlags::POLLIN)];
                let some = poll(&mut ready, PollTimeout::from(10_u8)).is_ok_and(|n| n > 0);
                if some && let Ok(count @ 1..) = nix::unistd::read(&master, &mut buffer) {
                    ours.add(&buffer[..count]);
                }
            }
        });
        Self { master, slave, output }
    }

    /// Its name under /dev.
    ///
    /// # Panics
    /// If it has none.
    #[must_use]
    pub fn name(&self) -> std::path::PathBuf {
        nix::unistd::ttyname(self.slave.as_fd()).expect("its name")
    }

    /// Makes it stdin, stdout, stderr and the controlling terminal of a new session.
    ///
    /// # Panics
    /// If no more descriptors are to be had.
    #[must_use]
    pub fn given_to(&self, container: Container) -> Container {
        let end = || Stdio::from(self.slave.try_clone().expect("dup"));
        container
            .with(|command| {
                command.stdin(end()).stdout(end()).stderr(end());
            })
            .prepared(|| {
                nix::unistd::setsid()?;
                // SAFETY: numbers only.
                let result = unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) };
                if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
            })
    }

    /// Types that.
    ///
    /// # Panics
    /// If it cannot be typed.
    pub fn types(&self, keys: &str) {
        nix::unistd::write(&*self.master, keys.as_bytes()).expect("typing");
    }

    /// Changes the size of the window.
    ///
    /// # Panics
    /// If it cannot be changed.
    pub fn resize(&self, rows: u16, columns: u16) {
        let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: the structure is ours.
        let result = unsafe { libc::ioctl(self.master.as_raw_fd(), libc::TIOCSWINSZ, &size) };
        assert_eq!(result, 0);
    }

    /// What was written to it so far.
    #[must_use]
    pub fn output(&self) -> String {
        self.output.text()
    }

    /// Waits until that was written to it.
    ///
    /// # Panics
    /// If it is not within [`LIMIT`](crate::story::LIMIT).
    pub fn wait_for(&self, text: &str) {
        until(
            || self.output().contains(text),
            || format!("{text:?} on the terminal:\n{}", self.output()),
        );
    }

    /// The foreground group, as the caller's PID namespace numbers it.
    #[must_use]
    pub fn foreground(&self) -> i32 {
        let mut group = 0;
        // SAFETY: the number is ours.
        unsafe { libc::ioctl(self.master.as_raw_fd(), libc::TIOCGPGRP, &raw mut group) };
        group
    }
}

impl Default for Pty {
    fn default() -> Self {
        Self::new()
    }
}
