//! The task behind a device: connects, serves the connection, waits, connects again.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use tidings_xmpp::stream::client::Resume;
use tokio::time::{Instant, sleep};

use crate::backoff::Backoff;
use crate::connect::{Link, LoginState, Target, connect};
use crate::error::ClientError;
use crate::opening::Opening;
use crate::session::{End, Session};
use crate::state::{AppEvent, CloseReply, Command, DeviceState};
use crate::status::Status;

pub(crate) struct Driver {
    pub(crate) target: Arc<Target>,
    pub(crate) backoff: Backoff,
    pub(crate) state: DeviceState,
    pub(crate) terminal_error: Arc<Mutex<Option<ClientError>>>,
}

impl Driver {
    /// Runs until the device is closed, or an error ends it for good.
    pub(crate) async fn run(mut self, login: LoginState) {
        let reply = match self.cycle(login).await {
            Ok(reply) => reply,
            Err(error) => {
                *self.terminal_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                None
            }
        };
        self.state.status.send_replace(Status::Ended);
        if let Some(reply) = reply {
            let _ = reply.send(());
        }
    }

    async fn cycle(&mut self, login: LoginState) -> Result<CloseReply, ClientError> {
        let mut login = Some(login);
        loop {
            self.state.status.send_replace(Status::Connecting);
            let Some(known) = login.take() else { return Ok(None) };
            let resume = self.state.sm_state.as_ref().and_then(|sm_state| {
                Some(Resume { id: sm_state.id.clone()?, handled: sm_state.inbound.handled() })
            });
            let opening = Opening { connection: self.state.connections + 1, active: self.state.active };
            let mut attempt = Box::pin(connect(Arc::clone(&self.target), known, resume, opening));
            let (returned, result) = match self.meanwhile(&mut attempt).await {
                Ok(result) => result,
                Err(reply) => return Ok(reply),
            };
            login = Some(returned);

            let error = match result {
                Ok(link) => match self.serve(link).await {
                    End::Closed(reply) => return Ok(reply),
                    End::Broken(error) => error,
                },
                Err(error) => error,
            };
            let delay = match (error.is_permanent(), self.state.policy.keep_trying) {
                (true, false) => return Err(error),
                (true, true) => self.backoff.slow(&*self.target.random),
                (false, _) => self.backoff.next(&*self.target.random),
            };
            tracing::info!(%error, ?delay, "no connection");
            self.state.status.send_replace(Status::Waiting { error: error.to_string(), retry_in: delay });
            let mut sleep = pin!(sleep(delay));
            if let Err(reply) = self.meanwhile(&mut sleep).await {
                return Ok(reply);
            }
        }
    }

    async fn serve(&mut self, link: Link) -> End {
        let since = Instant::now();
        self.state.connections += 1;
        let end = Box::pin(Session::begin(&mut self.state, link).run()).await;
        if since.elapsed() >= self.state.policy.stable {
            self.backoff.reset();
        }
        end
    }

    /// Serves the application while `work` goes on; an error when the device closes.
    async fn meanwhile<T>(&mut self, work: &mut (impl Future<Output = T> + Unpin)) -> Result<T, CloseReply> {
        let state = &mut self.state;
        loop {
            // Only waiting is cancelled here, never a write to disk.
            let event = tokio::select! {
                result = &mut *work => return Ok(result),
                event = state.app_event() => event,
            };
            match event {
                AppEvent::Acknowledged(id) => {
                    // Without a connection the server is owed nothing.
                    let ids = state.batch(id);
                    state.deliveries.settle(ids).await;
                }
                AppEvent::Command(Command::Close(reply)) => {
                    if let Ok(first) = state.acks.try_recv() {
                        let ids = state.batch(first);
                        state.deliveries.settle(ids).await;
                    }
                    return Err(Some(reply));
                }
                AppEvent::Command(command) => state.note(command),
                AppEvent::Shown => {}
                AppEvent::Abandoned => return Err(None),
            }
        }
    }
}
