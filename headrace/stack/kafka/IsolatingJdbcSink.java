package headrace.connect;

import io.debezium.connector.jdbc.JdbcSinkConnector;
import io.debezium.connector.jdbc.JdbcSinkConnectorTask;
import java.lang.reflect.Field;
import java.sql.SQLException;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.connect.connector.Task;
import org.apache.kafka.connect.errors.ConnectException;
import org.apache.kafka.connect.errors.DataException;
import org.apache.kafka.connect.header.ConnectHeaders;
import org.apache.kafka.connect.sink.SinkRecord;
import org.apache.kafka.connect.sink.SinkTask;

/**
 * Debezium's JDBC sink without headers, and with one addition: a record that the database rejects does not fail the
 * task. A rejected batch is written record by record, and a record that is rejected alone becomes a dead letter
 * (KIP-610).
 *
 * A record is rejected for its values (SQLSTATE 22 data, 23 constraints, 54 limits). Any other failure fails the task,
 * as without this class. A later release of Debezium does the same (dbz#984).
 */
public final class IsolatingJdbcSink extends JdbcSinkConnector {
    private static final Set<String> OF_THE_RECORD = Set.of("22", "23", "54");

    @Override
    public Class<? extends Task> taskClass() {
        return IsolatingTask.class;
    }

    /** Debezium's task, called again for each record if a batch fails. */
    public static final class IsolatingTask extends SinkTask {
        private final JdbcSinkConnectorTask inner = new JdbcSinkConnectorTask();

        @Override
        public String version() {
            return inner.version();
        }

        @Override
        public void start(Map<String, String> settings) {
            inner.initialize(context);
            inner.start(settings);
        }

        @Override
        public void open(Collection<TopicPartition> partitions) {
            inner.open(partitions);
        }

        @Override
        public void close(Collection<TopicPartition> partitions) {
            inner.close(partitions);
        }

        @Override
        public void put(Collection<SinkRecord> given) {
            List<SinkRecord> records = given.stream().map(IsolatingTask::withoutHeaders).toList();
            SQLException refusal = attempt(records);
            if (refusal == null) {
                return;
            }
            for (SinkRecord record : records) {
                SQLException reason = attempt(List.of(record));
                if (reason != null) {
                    report(record, reason);
                }
            }
        }

        /** Rows do not use headers, and Debezium fails on a header without a value and on two with one name. */
        private static SinkRecord withoutHeaders(SinkRecord record) {
            return record.newRecord(
                    record.topic(),
                    record.kafkaPartition(),
                    record.keySchema(),
                    record.key(),
                    record.valueSchema(),
                    record.value(),
                    record.timestamp(),
                    new ConnectHeaders());
        }

        /** All records of `put` are written or reported by then; the worker waits for the reports. */
        @Override
        public Map<TopicPartition, OffsetAndMetadata> preCommit(Map<TopicPartition, OffsetAndMetadata> offsets) {
            return offsets;
        }

        @Override
        public void stop() {
            inner.stop();
        }

        /** Why the database rejects these records; null if it accepts them. Any other failure fails the task. */
        private SQLException attempt(Collection<SinkRecord> records) {
            inner.put(records);
            Throwable failure = inner.getLastProcessingException();
            if (failure == null) {
                return null;
            }
            SQLException refusal = refusal(failure);
            if (refusal == null || context.errantRecordReporter() == null) {
                throw new ConnectException("The records could not be written", failure);
            }
            forgetFailure();
            return refusal;
        }

        private void report(SinkRecord record, SQLException reason) {
            // PostgreSQL's message would quote the record.
            String message = "PostgreSQL refused the record: SQLSTATE " + reason.getSQLState();
            context.errantRecordReporter().report(record, new DataException(message));
        }

        private static SQLException refusal(Throwable failure) {
            for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
                if (cause instanceof SQLException) {
                    for (SQLException each = (SQLException) cause; each != null; each = each.getNextException()) {
                        String state = each.getSQLState();
                        if (state != null && state.length() == 5 && OF_THE_RECORD.contains(state.substring(0, 2))) {
                            return each;
                        }
                    }
                }
            }
            return null;
        }

        /** Clears the failure that the task stores, with which it would reject all later records. It has rolled back. */
        private void forgetFailure() {
            try {
                Field remembered = JdbcSinkConnectorTask.class.getDeclaredField("previousPutException");
                remembered.setAccessible(true);
                remembered.set(inner, null);
            } catch (ReflectiveOperationException error) {
                throw new ConnectException("This is not the JDBC sink that this class was written for", error);
            }
        }
    }
}
