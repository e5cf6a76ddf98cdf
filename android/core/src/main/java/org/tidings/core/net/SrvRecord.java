package org.tidings.core.net;

/** One answer of DNS to where a service is (RFC 2782). */
public final class SrvRecord {
    final int priority;
    final int weight;
    final int port;
    /** {@code .} says that the service is not there. */
    final String target;

    public SrvRecord(int priority, int weight, int port, String target) {
        this.priority = priority;
        this.weight = weight;
        this.port = port;
        this.target = target;
    }
}
