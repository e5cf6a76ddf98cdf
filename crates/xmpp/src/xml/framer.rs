//! Finds where a stream's parts end, byte by byte, without understanding them.

use thiserror::Error;

/// What a frame may be at most. All are checked before anything is buffered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameLimits {
    /// Bytes of a frame, from its `<` to its `>`.
    pub bytes: usize,
    /// Elements inside each other, the stanza itself counted.
    pub depth: u16,
    /// Attributes of one element, namespace declarations counted.
    pub attributes: u16,
}

/// Why a stream cannot go on. After one of these the reader says the same for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum FrameError {
    /// Not XML, or not in this place.
    #[error("not well-formed XML")]
    NotWellFormed,
    /// More bytes than [`FrameLimits::bytes`].
    #[error("the stanza is too large")]
    TooLarge,
    /// More nesting than [`FrameLimits::depth`].
    #[error("the stanza is nested too deeply")]
    TooDeep,
    /// More attributes than [`FrameLimits::attributes`].
    #[error("an element has too many attributes")]
    TooManyAttributes,
    /// A comment, processing instruction or document type (RFC 6120 section 11.1).
    #[error("restricted XML: comments, processing instructions and DTDs are not allowed")]
    Restricted,
    /// Looks like UTF-16 or UTF-32.
    #[error("the stream is not UTF-8")]
    BadEncoding,
}

/// One part of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame<'a> {
    /// The stream header: the start tag, with the XML declaration where there is one. It
    /// may come again within its stream, without the declaration, where it has no place.
    Open(&'a [u8]),
    /// A whole first-level element.
    Stanza(&'a [u8]),
    /// The end of the stream: the header's end tag.
    Close,
}

/// Cuts a byte stream into [`Frame`]s.
///
/// It keeps nothing but a partial frame, and no memory at all between frames.
/// Each byte is looked at once, however the stream was cut on its way.
#[derive(Debug)]
pub struct FrameReader {
    limits: FrameLimits,
    partial: Vec<u8>,
    /// Hash of the header's qualified name: its end tag must have the same.
    header_name: u32,
    name: u32,
    depth: u16,
    attributes: u16,
    state: State,
    place: Place,
    /// How far a fixed sequence has been matched: `[CDATA[`, or `]]`.
    matched: u8,
    /// `partial` was handed out as a frame and is free to go.
    handed_out: bool,
}

/// Which part of the stream comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Header,
    Body,
    Closed,
    Failed(FrameError),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before a frame; only white space may come.
    Between,
    /// After `<` of the frame or inside it.
    Less,
    /// Inside the XML declaration, and there after a `?`.
    Declaration,
    DeclarationEnd,
    /// White space after the XML declaration.
    AfterDeclaration,
    /// The name of a start tag; then the rest of the tag outside of quotes.
    Name,
    Tag,
    /// A value within `"` or `'`.
    DoubleQuoted,
    SingleQuoted,
    /// After the `/` of an empty element.
    Slash,
    /// The first byte of an end tag's name, its name, white space behind it.
    EndStart,
    EndName,
    EndSpace,
    /// Character data.
    Text,
    /// After `<!`.
    Bang,
    CData,
}

const CDATA: &[u8] = b"[CDATA[";
const HASH_START: u32 = 0x811c_9dc5;

impl FrameReader {
    /// A reader that waits for a stream header.
    pub fn new(limits: FrameLimits) -> Self {
        Self {
            limits,
            partial: Vec::new(),
            header_name: HASH_START,
            name: HASH_START,
            depth: 0,
            attributes: 0,
            state: State::Between,
            place: Place::Header,
            matched: 0,
            handed_out: false,
        }
    }

    /// Sets other limits; a frame that has already begun is held to them too.
    pub fn set_limits(&mut self, limits: FrameLimits) {
        self.limits = limits;
    }

    /// A new stream begins, after TLS or SASL. What was kept of the old one is dropped.
    pub fn reset(&mut self) {
        *self = Self::new(self.limits);
    }

    /// Bytes kept of a frame whose end has not come yet.
    pub fn partial_len(&self) -> usize {
        if self.handed_out { 0 } else { self.partial.len() }
    }

    /// Consumes from `input` and returns the next frame, or `None` when all of it is used up.
    ///
    /// White space between frames is consumed silently. What comes after the end of the
    /// stream is dropped.
    ///
    /// # Errors
    /// A [`FrameError`], and the same one at every later call until [`reset`](Self::reset).
    pub fn read<'a, 'i: 'a>(&'a mut self, input: &mut &'i [u8]) -> Result<Option<Frame<'a>>, FrameError> {
        if self.handed_out {
            self.partial = Vec::new();
            self.handed_out = false;
        }
        match self.place {
            Place::Failed(error) => return Err(error),
            Place::Closed => {
                *input = &[];
                return Ok(None);
            }
            Place::Header | Place::Body => {}
        }
        match self.cut(input) {
            Ok(frame) => Ok(self.hand_out(frame)),
            Err(error) => {
                self.place = Place::Failed(error);
                self.partial = Vec::new();
                *input = &[];
                Err(error)
            }
        }
    }

    /// Returns the bytes of a whole frame that lie in `input`, and its kind.
    fn cut<'i>(&mut self, input: &mut &'i [u8]) -> Result<Option<(Kind, &'i [u8])>, FrameError> {
        let mut rest = *input;
        if self.state == State::Between {
            let start = rest.iter().position(|byte| !is_space(*byte)).unwrap_or(rest.len());
            rest = rest.get(start..).unwrap_or_default();
            match rest.first() {
                None => {
                    *input = &[];
                    return Ok(None);
                }
                Some(b'<') => {}
                Some(0x00 | 0xfe | 0xff) => return Err(FrameError::BadEncoding),
                Some(_) => return Err(FrameError::NotWellFormed),
            }
        }
        // Looking no further than the limit makes the outcome independent of how the
        // stream was cut into reads.
        let room = self.limits.bytes.saturating_sub(self.partial.len()).min(rest.len());
        let (window, beyond) = rest.split_at(room);
        match self.scan(window)? {
            Some((kind, end)) => {
                let (frame, after) = rest.split_at(end);
                *input = after;
                Ok(Some((kind, frame)))
            }
            None if !beyond.is_empty() => Err(FrameError::TooLarge),
            None => {
                self.partial.extend_from_slice(window);
                *input = &[];
                Ok(None)
            }
        }
    }

    fn hand_out<'a>(&'a mut self, frame: Option<(Kind, &'a [u8])>) -> Option<Frame<'a>> {
        let (kind, last) = frame?;
        let bytes = if self.partial.is_empty() {
            last
        } else {
            self.partial.extend_from_slice(last);
            self.handed_out = true;
            self.partial.as_slice()
        };
        Some(match kind {
            Kind::Open => Frame::Open(bytes),
            Kind::Stanza => Frame::Stanza(bytes),
            Kind::Close => Frame::Close,
        })
    }

    /// Runs over `bytes`; returns the kind of the frame that ends in them and the index behind it.
    fn scan(&mut self, bytes: &[u8]) -> Result<Option<(Kind, usize)>, FrameError> {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            at += 1;
            match self.state {
                State::Between => self.state = State::Less,
                State::AfterDeclaration => match byte {
                    b'<' => self.state = State::Less,
                    byte if is_space(byte) => {}
                    _ => return Err(FrameError::NotWellFormed),
                },
                State::Less => self.after_less(byte, self.partial.len() + at == 2)?,
                State::Declaration => {
                    if byte == b'?' {
                        self.state = State::DeclarationEnd;
                    }
                }
                State::DeclarationEnd => match byte {
                    b'>' => self.state = State::AfterDeclaration,
                    b'?' => {}
                    _ => self.state = State::Declaration,
                },
                State::Name => match byte {
                    b'>' | b'/' => {
                        self.named();
                        if let Some(kind) = self.tag(byte)? {
                            return Ok(Some((kind, at)));
                        }
                    }
                    b'<' | b'=' | b'"' | b'\'' => return Err(FrameError::NotWellFormed),
                    byte if is_space(byte) => {
                        self.named();
                        self.state = State::Tag;
                    }
                    byte => self.name = hash(self.name, byte),
                },
                State::Tag => {
                    if let Some(kind) = self.tag(byte)? {
                        return Ok(Some((kind, at)));
                    }
                }
                State::DoubleQuoted | State::SingleQuoted => {
                    let quote = if self.state == State::DoubleQuoted { b'"' } else { b'\'' };
                    // Step back: the byte in hand may be the quote itself.
                    match position(bytes, at - 1, |byte| byte == quote || byte == b'<') {
                        None => return Ok(None),
                        Some(found) if bytes.get(found) == Some(&b'<') => {
                            return Err(FrameError::NotWellFormed);
                        }
                        Some(found) => {
                            at = found + 1;
                            self.state = State::Tag;
                        }
                    }
                }
                State::Slash => {
                    if byte != b'>' || self.place == Place::Header {
                        return Err(FrameError::NotWellFormed);
                    }
                    self.state = State::Text;
                    if self.leave() {
                        return Ok(Some((Kind::Stanza, at)));
                    }
                }
                State::EndStart => {
                    if is_space(byte) || byte == b'>' {
                        return Err(FrameError::NotWellFormed);
                    }
                    self.name = hash(HASH_START, byte);
                    self.state = State::EndName;
                }
                State::EndName | State::EndSpace => match byte {
                    b'>' => {
                        if let Some(kind) = self.end_tag()? {
                            return Ok(Some((kind, at)));
                        }
                    }
                    byte if is_space(byte) => self.state = State::EndSpace,
                    byte if self.state == State::EndName && byte != b'<' => self.name = hash(self.name, byte),
                    _ => return Err(FrameError::NotWellFormed),
                },
                State::Text => match position(bytes, at - 1, |byte| byte == b'<') {
                    None => return Ok(None),
                    Some(found) => {
                        at = found + 1;
                        self.state = State::Less;
                    }
                },
                State::Bang => {
                    if CDATA.get(usize::from(self.matched)) != Some(&byte) {
                        return Err(FrameError::Restricted);
                    }
                    self.matched += 1;
                    if usize::from(self.matched) == CDATA.len() {
                        self.matched = 0;
                        self.state = State::CData;
                    }
                }
                State::CData => match byte {
                    b']' => self.matched = (self.matched + 1).min(2),
                    b'>' if self.matched == 2 => {
                        self.matched = 0;
                        self.state = State::Text;
                    }
                    _ => {
                        self.matched = 0;
                        match position(bytes, at, |byte| byte == b']') {
                            None => return Ok(None),
                            Some(found) => at = found,
                        }
                    }
                },
            }
        }
        Ok(None)
    }

    /// The byte after a `<`. `first` where that `<` is the first of the frame.
    fn after_less(&mut self, byte: u8, first: bool) -> Result<(), FrameError> {
        self.state = match byte {
            b'?' if first && self.place == Place::Header => State::Declaration,
            b'?' => return Err(FrameError::Restricted),
            b'!' if self.depth > 0 => {
                self.matched = 0;
                State::Bang
            }
            b'!' => return Err(FrameError::Restricted),
            b'/' if self.place == Place::Body => State::EndStart,
            b'/' | b'>' | b'<' | b'=' | b'"' | b'\'' => return Err(FrameError::NotWellFormed),
            byte if is_space(byte) => return Err(FrameError::NotWellFormed),
            byte => {
                if self.depth >= self.limits.depth {
                    return Err(FrameError::TooDeep);
                }
                self.attributes = 0;
                self.name = hash(HASH_START, byte);
                State::Name
            }
        };
        Ok(())
    }

    /// A start tag's name is complete.
    fn named(&mut self) {
        if self.place == Place::Header {
            self.header_name = self.name;
        }
    }

    /// A byte of a start tag outside of quotes.
    #[inline] // Once for each such byte; as a call it costs the framer a third more instructions.
    fn tag(&mut self, byte: u8) -> Result<Option<Kind>, FrameError> {
        match byte {
            // One inside the stream is told as well: nothing would ever end it as an element.
            b'>' if self.place == Place::Header || self.depth == 0 && self.name == self.header_name => {
                self.place = Place::Body;
                self.state = State::Between;
                return Ok(Some(Kind::Open));
            }
            b'>' => {
                self.depth += 1;
                self.state = State::Text;
            }
            b'/' => self.state = State::Slash,
            b'"' | b'\'' => {
                if self.attributes >= self.limits.attributes {
                    return Err(FrameError::TooManyAttributes);
                }
                self.attributes += 1;
                self.state = if byte == b'"' { State::DoubleQuoted } else { State::SingleQuoted };
            }
            b'<' => return Err(FrameError::NotWellFormed),
            _ => self.state = State::Tag,
        }
        Ok(None)
    }

    fn end_tag(&mut self) -> Result<Option<Kind>, FrameError> {
        if self.depth == 0 {
            if self.name != self.header_name {
                return Err(FrameError::NotWellFormed);
            }
            self.place = Place::Closed;
            self.state = State::Between;
            return Ok(Some(Kind::Close));
        }
        self.depth -= 1;
        self.state = State::Text;
        Ok(self.leave().then_some(Kind::Stanza))
    }

    /// An element has ended; whether the stanza has with it.
    fn leave(&mut self) -> bool {
        if self.depth == 0 {
            self.state = State::Between;
        }
        self.depth == 0
    }
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Open,
    Stanza,
    Close,
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn hash(hash: u32, byte: u8) -> u32 {
    (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
}

fn position(bytes: &[u8], from: usize, wanted: impl Fn(u8) -> bool) -> Option<usize> {
    let found = bytes.get(from..)?.iter().position(|byte| wanted(*byte))?;
    Some(from + found)
}
