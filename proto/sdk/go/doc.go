package chamois
