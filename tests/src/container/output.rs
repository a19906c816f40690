//! What a container writes, read by a thread of ours so that no pipe is ever full.

use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// What was written to a pipe so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Output {
    bytes: Arc<Mutex<Vec<u8>>>,
    /// Every writer has closed it.
    over: Arc<AtomicBool>,
}

impl Output {
    pub(crate) fn of(pipe: Option<impl Read + Send + 'static>) -> Self {
        let output = Self::default();
        let ours = output.clone();
        if let Some(mut pipe) = pipe {
            thread::spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok(count @ 1..) = pipe.read(&mut buffer) {
                    ours.add(&buffer[..count]);
                }
                ours.over.store(true, Ordering::Release);
            });
        } else {
            output.over.store(true, Ordering::Release);
        }
        output
    }

    pub(crate) fn add(&self, bytes: &[u8]) {
        self.bytes.lock().expect("no panic there").extend(bytes);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().expect("no panic there")).into_owned()
    }
}
