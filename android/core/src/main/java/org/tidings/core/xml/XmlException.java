package org.tidings.core.xml;

/** Says that bytes are not the XML that a stream may carry, or more of it than is taken. */
public final class XmlException extends Exception {
    private static final long serialVersionUID = 1;

    public XmlException(String message) {
        super(message);
    }
}
