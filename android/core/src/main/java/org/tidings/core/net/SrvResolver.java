package org.tidings.core.net;

import java.io.IOException;
import java.util.List;

/** Asks DNS for SRV records: {@link DnsClient}, or what a platform offers. */
public interface SrvResolver {
    /** The records of a name, none where there is no such name. */
    List<SrvRecord> resolve(String name) throws IOException;
}
