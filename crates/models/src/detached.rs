//! Running a model on a thread of its own, so that whoever asks waits no longer than it wants to.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::time::{Duration, Instant};

use crate::{Model, ModelError};

/// A scorer beside the caller: rows are handed over with [`DetachedScorer::start`] and their scores fetched with
/// [`DetachedScorer::finish`], for which the caller waits as long as it says. A run cannot be interrupted: while one lasts that
/// nobody waits for any more, no other begins.
#[derive(Debug)]
pub struct DetachedScorer {
    requests: SyncSender<Buffers>,
    answers: Receiver<Answer>,
    /// When rows were handed over whose answer was not fetched.
    handed_over: Option<Instant>,
    /// Whether they are of an earlier call.
    is_stale: bool,
    last_run: Duration,
    /// To be used again for the next rows and scores.
    spare: Buffers,
}

#[derive(Debug, Default)]
struct Buffers {
    rows: Vec<f32>,
    scores: Vec<Option<f32>>,
}

#[derive(Debug)]
struct Answer {
    buffers: Buffers,
    ran: Result<(), ModelError>,
    took: Duration,
}

/// Why there are no scores.
#[derive(Debug, thiserror::Error)]
pub enum Unfinished {
    /// The model is still at work. What it answers later is thrown away.
    #[error("the model did not answer in time")]
    Late,
    /// The rows do not fit the model, or its thread could not be started.
    #[error(transparent)]
    Failed(#[from] ModelError),
}

impl DetachedScorer {
    /// Starts the model's thread, which ends when this is dropped and its last run is over.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn new(model: &Model) -> Result<DetachedScorer, ModelError> {
        let (requests, received) = sync_channel::<Buffers>(1);
        let (answer, answers) = sync_channel(1);
        let mut scorer = model.scorer();
        let work = move || {
            for mut buffers in received {
                let began = Instant::now();
                let ran = scorer.score_each(&buffers.rows, &mut buffers.scores);
                let took = began.elapsed();
                if answer.send(Answer { buffers, ran, took }).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new()
            .name("model".to_owned())
            .spawn(work)
            .map_err(|error| ModelError::Run(format!("no thread for the model: {error}")))?;
        Ok(DetachedScorer {
            requests,
            answers,
            handed_over: None,
            is_stale: false,
            last_run: Duration::ZERO,
            spare: Buffers::default(),
        })
    }

    /// Hands rows over, as [`crate::Scorer::score`] takes them. False, and nothing is done, while the model is still at work on
    /// earlier ones.
    pub fn start(&mut self, rows: &[f32]) -> bool {
        if self.handed_over.is_some() {
            self.is_stale = true;
            match self.answers.try_recv() {
                Ok(answer) => drop(self.put_away(answer)),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return false,
            }
        }
        let mut buffers = std::mem::take(&mut self.spare);
        buffers.rows.clear();
        buffers.rows.extend_from_slice(rows);
        self.is_stale = false;
        self.handed_over = self.requests.try_send(buffers).is_ok().then(Instant::now);
        self.handed_over.is_some()
    }

    /// Replaces `scores` by those of the rows handed over last, `None` for a row that the model failed on. Waits for them no
    /// longer than until `within` has passed since the rows were handed over.
    ///
    /// # Errors
    /// [`Unfinished::Late`] when they are not there by then, or when nothing was handed over.
    pub fn finish(&mut self, within: Duration, scores: &mut Vec<Option<f32>>) -> Result<(), Unfinished> {
        let Some(handed_over) = self.handed_over.filter(|_| !self.is_stale) else {
            return Err(Unfinished::Late);
        };
        match self.answers.recv_timeout(within.saturating_sub(handed_over.elapsed())) {
            Ok(mut answer) => {
                std::mem::swap(scores, &mut answer.buffers.scores);
                self.put_away(answer)?;
                Ok(())
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Err(Unfinished::Late),
        }
    }

    /// How long the model's last run took that is known to have ended.
    pub fn last_run(&self) -> Duration {
        self.last_run
    }

    fn put_away(&mut self, answer: Answer) -> Result<(), ModelError> {
        self.spare = answer.buffers;
        self.last_run = answer.took;
        self.handed_over = None;
        answer.ran
    }
}
