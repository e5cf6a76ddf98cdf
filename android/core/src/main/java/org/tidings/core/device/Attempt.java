package org.tidings.core.device;

import org.tidings.core.stream.StreamException;

/** Something that the connection may end with. */
interface Attempt {
    void run() throws StreamException;
}
