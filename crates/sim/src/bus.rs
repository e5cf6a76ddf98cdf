//! A bus that drops, delays, repeats and reorders, as its seed says, and may look like other nodes'.

use parking_lot::Mutex;
use tidings_core::bus::{Bus, Message};
use tokio::sync::mpsc;

use crate::rng::Rng;

/// Messages that may wait for the subscriber; more are lost.
const CAPACITY: usize = 16;

/// A bus with faults, until it is [healed](Self::heal).
pub(crate) struct FaultyBus(Mutex<State>);

struct State {
    rng: Rng,
    /// What is published looks as if another node had: the node then has no content to hand out.
    foreign: bool,
    healed: bool,
    subscribers: Vec<mpsc::Sender<Message>>,
    /// Those on their way.
    delayed: Vec<Message>,
}

impl FaultyBus {
    /// The faults that this generator decides.
    pub(crate) fn new(mut rng: Rng) -> Self {
        let foreign = rng.one_in(3);
        let (subscribers, delayed) = (Vec::new(), Vec::new());
        Self(Mutex::new(State { rng, foreign, healed: false, subscribers, delayed }))
    }

    /// Brings what is on its way, and from now on everything at once.
    pub(crate) fn heal(&self) {
        let mut state = self.0.lock();
        state.healed = true;
        std::mem::take(&mut state.delayed).into_iter().for_each(|message| state.bring(&message));
    }
}

impl State {
    fn bring(&mut self, message: &Message) {
        for subscriber in &self.subscribers {
            // An error means that there is no room: it is lost.
            let _ = subscriber.try_send(message.clone());
        }
    }
}

impl Bus for FaultyBus {
    fn publish(&self, mut message: Message) {
        let mut state = self.0.lock();
        if state.foreign {
            message.origin = !message.origin;
        }
        if state.healed {
            return state.bring(&message);
        }
        match state.rng.below(8) {
            0 => {}
            1 | 2 => state.delayed.push(message),
            3 => {
                state.bring(&message);
                state.delayed.push(message);
            }
            _ => state.bring(&message),
        }
        while !state.delayed.is_empty() && state.rng.one_in(3) {
            let waiting = state.delayed.len();
            let index = state.rng.below(waiting);
            let late = state.delayed.swap_remove(index);
            state.bring(&late);
        }
    }

    fn subscribe(&self) -> mpsc::Receiver<Message> {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        self.0.lock().subscribers.push(sender);
        receiver
    }
}
