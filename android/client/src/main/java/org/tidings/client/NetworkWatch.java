package org.tidings.client;

import android.content.Context;
import android.net.ConnectivityManager;
import android.net.LinkProperties;
import android.net.Network;
import android.net.NetworkCapabilities;
import android.net.RouteInfo;
import android.os.Build;
import android.telephony.TelephonyManager;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.List;
import org.tidings.core.device.NetworkMonitor;

/**
 * Follows the phone's default network. Its name is made of what needs no permission: the kind, the mobile operator, and
 * where the way out is; so what was learned of it is there again when the phone comes back to it.
 */
final class NetworkWatch implements NetworkMonitor {
    private static final int DNS_PORT = 53;

    private final ConnectivityManager manager;
    private final TelephonyManager telephony;
    private final Runnable better;
    private Listener listener;
    private ConnectivityManager.NetworkCallback callback;

    private Network network;
    private boolean named;
    private boolean blocked;
    private boolean validated;
    private NetworkCapabilities capabilities;
    private volatile LinkProperties link;

    /** @param better is called when the network that there is leads to the Internet now, and did not before */
    NetworkWatch(Context context, Runnable better) {
        manager = context.getSystemService(ConnectivityManager.class);
        telephony = context.getSystemService(TelephonyManager.class);
        this.better = better;
    }

    @Override
    public synchronized void start(Listener listener) {
        this.listener = listener;
        forget();
        callback = callback();
        network = manager.getActiveNetwork();
        if (network == null) {
            listener.changed(null);
        } else {
            capabilities = manager.getNetworkCapabilities(network);
            link = manager.getLinkProperties(network);
            named = true;
            listener.changed(name(capabilities, link));
        }
        manager.registerDefaultNetworkCallback(callback);
    }

    @Override
    public synchronized void stop() {
        if (callback != null) {
            manager.unregisterNetworkCallback(callback);
            callback = null;
            listener = null;
        }
    }

    private ConnectivityManager.NetworkCallback callback() {
        return new ConnectivityManager.NetworkCallback() {
            @Override
            public void onAvailable(Network found) {
                available(this, found);
            }

            @Override
            public void onCapabilitiesChanged(Network of, NetworkCapabilities changed) {
                changed(this, changed);
            }

            @Override
            public void onLinkPropertiesChanged(Network of, LinkProperties changed) {
                changed(this, changed);
            }

            @Override
            public void onBlockedStatusChanged(Network of, boolean isBlocked) {
                changed(this, isBlocked);
            }

            @Override
            public void onLost(Network lost) {
                lost(this, lost);
            }
        };
    }

    private synchronized void available(Object from, Network found) {
        if (from != callback) {
            return;
        }
        if (network != null && !network.equals(found)) {
            // Connections of the old network die with it, also where the new one has the same name.
            listener.changed(null);
        }
        if (!found.equals(network)) {
            // What it is like is told right after this.
            forget();
            network = found;
        }
    }

    private void forget() {
        network = null;
        named = false;
        blocked = false;
        validated = false;
        capabilities = null;
        link = null;
    }

    private synchronized void changed(Object from, NetworkCapabilities changed) {
        if (from != callback) {
            return;
        }
        boolean before = validated;
        capabilities = changed;
        validated = changed.hasCapability(NetworkCapabilities.NET_CAPABILITY_VALIDATED);
        name();
        if (validated && !before && named) {
            better.run();
        }
    }

    private synchronized void changed(Object from, LinkProperties changed) {
        if (from == callback) {
            link = changed;
            name();
        }
    }

    /** The system has taken the network from this app, as in Doze, or given it back. */
    private synchronized void changed(Object from, boolean isBlocked) {
        if (from != callback || isBlocked == blocked) {
            return;
        }
        blocked = isBlocked;
        named = false;
        if (isBlocked) {
            listener.changed(null);
        } else {
            name();
        }
    }

    private synchronized void lost(Object from, Network lost) {
        if (from == callback && lost.equals(network)) {
            forget();
            listener.changed(null);
        }
    }

    /** Once for each network: its properties change while it is the same. */
    private void name() {
        if (!named && !blocked && network != null && capabilities != null && link != null) {
            named = true;
            listener.changed(name(capabilities, link));
        }
    }

    private String name(@Nullable NetworkCapabilities capabilities, @Nullable LinkProperties link) {
        if (capabilities == null || link == null) {
            return "unknown";
        }
        if (capabilities.hasTransport(NetworkCapabilities.TRANSPORT_VPN)) {
            return "vpn";
        }
        if (capabilities.hasTransport(NetworkCapabilities.TRANSPORT_CELLULAR)) {
            return "mobile " + (telephony == null ? "" : telephony.getNetworkOperator());
        }
        String kind = capabilities.hasTransport(NetworkCapabilities.TRANSPORT_WIFI) ? "wifi " : "wired ";
        StringBuilder way = new StringBuilder();
        for (RouteInfo route : link.getRoutes()) {
            if (route.isDefaultRoute() && route.getGateway() != null) {
                way.append(' ').append(route.getGateway().getHostAddress());
            }
        }
        for (InetAddress server : link.getDnsServers()) {
            way.append(' ').append(server.getHostAddress());
        }
        return kind + Integer.toHexString((way + String.valueOf(link.getDomains())).hashCode());
    }

    /** The network's name servers; none where the person has named one that is asked in secret. */
    List<InetSocketAddress> nameServers() {
        LinkProperties now = link;
        List<InetSocketAddress> found = new ArrayList<>();
        if (now != null && !(Build.VERSION.SDK_INT >= Build.VERSION_CODES.P && isSecret(now))) {
            for (InetAddress server : now.getDnsServers()) {
                found.add(new InetSocketAddress(server, DNS_PORT));
            }
        }
        return found;
    }

    @RequiresApi(Build.VERSION_CODES.P)
    private static boolean isSecret(LinkProperties link) {
        return link.getPrivateDnsServerName() != null;
    }
}
