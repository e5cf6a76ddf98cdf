package org.tidings.core.xml;

/** Bounds what one stanza may cost, so that a hostile server cannot fill the memory. */
public final class XmlLimits {
    /** The server's 64 KiB and room for its envelope. */
    public static final XmlLimits CLIENT = new XmlLimits(96 * 1024, 64, 128);

    /** The most bytes of one stanza, and of the stream's header. */
    final int bytes;
    /** The deepest nesting, the stanza itself being 1. */
    final int depth;
    /** The most attributes of one element, declarations of namespaces included. */
    final int attributes;

    public XmlLimits(int bytes, int depth, int attributes) {
        this.bytes = bytes;
        this.depth = depth;
        this.attributes = attributes;
    }
}
