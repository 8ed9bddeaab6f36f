//! A request's content, which can be sent again while all that was read of it is kept.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};

use super::streams::Slot;
use crate::body::{Body, BodyError, Splice};
use crate::deadline::{Deadline, Timeouts};

/// Maximum bytes kept to be sent again.
const MAX_KEPT: usize = 16 * 1024;

/// Content, and the pieces that were read.
pub struct Lender {
    content: RefCell<Body>,
    /// The request's deadline. It runs while the server has to read content or to respond, not while content is awaited.
    deadline: Rc<Deadline>,
    timeouts: Timeouts,
    size: SizeHint,
    kept: RefCell<Vec<Bytes>>,
    kept_bytes: Cell<usize>,
    state: Cell<State>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// All that was read is kept, and there may be more.
    Kept,
    /// All content was read, and is kept.
    Whole,
    /// Some of it is no longer kept.
    Gone,
}

impl Lender {
    /// Takes content of which nothing was read yet, and the deadline of its request.
    pub fn new(content: Body, deadline: Rc<Deadline>, timeouts: Timeouts) -> Rc<Lender> {
        Rc::new(Lender {
            size: content.size_hint(),
            content: RefCell::new(content),
            deadline,
            timeouts,
            kept: RefCell::default(),
            kept_bytes: Cell::new(0),
            state: Cell::new(State::Kept),
        })
    }

    /// Whether all that was read is still kept.
    pub fn is_whole(&self) -> bool {
        self.state.get() != State::Gone
    }

    /// The content from its beginning, for the stream in `slot`, which it keeps.
    pub fn lend(self: &Rc<Lender>, slot: Rc<Slot>) -> Body {
        Body::Other(Box::pin(Lent { lender: self.clone(), next: 0, _slot: slot }))
    }

    fn poll_frame(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut content = self.content.borrow_mut();
        let polled = Pin::new(&mut *content).poll_frame(cx);
        match &polled {
            Poll::Pending => self.deadline.clear(),
            Poll::Ready(Some(Ok(_))) if !content.has_ended() => self.deadline.set(self.timeouts.idle),
            Poll::Ready(Some(Ok(_)) | None) => self.timeouts.request_sent(&self.deadline),
            Poll::Ready(Some(Err(_))) => {}
        }
        polled
    }

    /// Keeps a piece if there is capacity. Returns whether it was kept.
    fn keep(&self, piece: Option<&Bytes>) -> bool {
        let room = MAX_KEPT - self.kept_bytes.get();
        let Some(piece) = piece.filter(|piece| self.state.get() == State::Kept && piece.len() <= room) else {
            self.let_go();
            return false;
        };
        self.kept_bytes.set(self.kept_bytes.get() + piece.len());
        self.kept.borrow_mut().push(piece.clone());
        true
    }

    fn let_go(&self) {
        self.state.set(State::Gone);
        self.kept.borrow_mut().clear();
    }
}

/// The content as one stream sends it.
struct Lent {
    lender: Rc<Lender>,
    /// The next of the kept pieces.
    next: usize,
    _slot: Rc<Slot>,
}

impl Splice for Lent {}

impl http_body::Body for Lent {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let kept = self.lender.kept.borrow().get(self.next).cloned();
        if let Some(piece) = kept {
            self.next += 1;
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        if self.lender.state.get() == State::Whole {
            self.lender.timeouts.request_sent(&self.lender.deadline);
            return Poll::Ready(None);
        }
        let polled = ready!(self.lender.poll_frame(cx));
        match &polled {
            Some(Ok(frame)) => {
                let kept = self.lender.keep(frame.data_ref());
                self.next += usize::from(kept);
            }
            Some(Err(_)) => self.lender.let_go(),
            None if self.lender.state.get() == State::Kept => self.lender.state.set(State::Whole),
            None => {}
        }
        Poll::Ready(polled)
    }

    fn size_hint(&self) -> SizeHint {
        self.lender.size
    }
}
