//! The names of the laws, and what each says.

use std::fmt;

macro_rules! laws {
    ($($name:ident $sentence:literal;)*) => {
        /// A law.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        pub enum Law {
            $(#[doc = $sentence] $name,)*
        }

        impl Law {
            /// All of them, in order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its number: `S1`.
            pub const fn number(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),* }
            }

            /// What it says.
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$name => $sentence),* }
            }
        }
    };
}

laws! {
    S1 "the exit code is the main child's, remapped or not";
    S2 "no pid is signalled after it was reaped";
    S3 "when init waits and a child is dead or the main child has stopped, and that is untaken, CHLD is pending";
    S4 "each forwardable signal taken while the main child is unreaped is sent on exactly once, in order";
    S5 "CHLD is never forwarded";
    S6 "nothing happens after exit";
    S7 "at most one alarm is armed, and none while no grace runs; and when it is quiet init sleeps on";
    S8 "at most a fixed number of effects a step";
    S9 "kill(-1) only as PID 1, and otherwise everybody is the descendants and no stranger";
    S10 "nobody who existed when the last call began is killed without having been sent the drain signal, and CONT";
    S11 "whoever existed when the drain began has the whole drain grace before any SIGKILL, on a clock that counts only time in which it could run";
    S12 "nobody is asked or killed before the main child has ended or its stop grace is over";
    S13 "a main child that was told to stop is not left standing still, and one that was not is not woken";
    L1 "from every reachable state there is a way to exit";
    L2 "after the main child's end, init is gone within drain grace + last call + kill grace";
    L3 "an exit before the kill grace ran out leaves nobody";
    L4 "with a stop time-out T told, everything is over before T";
    L5 "when nobody else is left, init leaves within a tick";
}

impl fmt::Display for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.number())
    }
}
