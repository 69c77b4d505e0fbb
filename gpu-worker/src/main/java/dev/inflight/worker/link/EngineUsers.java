package dev.inflight.worker.link;

import java.io.IOException;
import java.nio.file.FileSystems;
import java.nio.file.attribute.UserPrincipal;
import java.nio.file.attribute.UserPrincipalLookupService;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** As whom engines may run: as the worker's own user always, and as those named here. */
public final class EngineUsers {
    /** Nobody else. */
    public static final EngineUsers OWN = new EngineUsers(Set.of());

    private final Set<UserPrincipal> others;

    private EngineUsers(Set<UserPrincipal> others) {
        this.others = Set.copyOf(others);
    }

    /**
     * @param others names or numeric ids of users
     * @throws IOException naming a user that this machine does not know
     */
    public static EngineUsers of(List<String> others) throws IOException {
        UserPrincipalLookupService users = FileSystems.getDefault().getUserPrincipalLookupService();
        Set<UserPrincipal> known = new HashSet<>();
        for (String name : others) {
            try {
                known.add(users.lookupPrincipalByName(name));
            } catch (IOException e) {
                throw new IOException("inflight.worker.engine-users: \"" + name + "\" is no user of this machine", e);
            }
        }
        return new EngineUsers(known);
    }

    boolean allow(UserPrincipal user, UserPrincipal own) {
        return user.equals(own) || others.contains(user);
    }
}
