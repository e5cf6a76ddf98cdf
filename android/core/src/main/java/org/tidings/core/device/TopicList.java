package org.tidings.core.device;

import java.util.List;

/** Hears which topics the server has for the account. */
public interface TopicList {
    void topics(List<String> topics);

    /** @param condition as for {@link Answer} */
    void refused(String condition);
}
